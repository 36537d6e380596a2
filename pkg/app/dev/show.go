package dev

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripetest"
)

const (
	orderCount = 30
	couriers   = 6 // deliveries under way at a time

	// pace keeps a person able to follow; --once has no audience.
	pace = 120 * time.Millisecond
)

// scene is one order with the story that Stripe tells about it.
type scene struct {
	story      string
	restaurant *restaurant
	payment    stripetest.Payment
	events     []stripetest.Event
	forged     bool // signed with a secret that is not the restaurant's

	wantOrder   order.Status
	wantPayment order.PaymentStatus

	// Written by watch alone.
	order    order.Status
	payState order.PaymentStatus
}

// moved reports whether the order or its payment has left where it began.
func (s *scene) moved() bool {
	return s.order != "" && (s.order != order.PaymentPending || s.payState != order.PaymentIsPending)
}

func (s *scene) done() bool { return s.order == s.wantOrder && s.payState == s.wantPayment }

// show is the thirty orders and what happens to them.
type show struct {
	db         *postgres.DB
	base       string
	orders     []*scene
	byOrder    map[string]*scene
	ids        []string
	deliveries atomic.Int64
	client     *http.Client
}

func (w *world) newShow(ctx context.Context) (*show, error) {
	s := &show{
		db: w.db, base: w.cfg.IngestURL, byOrder: map[string]*scene{},
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: couriers}},
	}
	run := randomHex(3)
	// Stripe's ids are drawn from this seed, so it has to differ between runs.
	f := stripetest.NewFactory(uint64(time.Now().UnixNano()), time.Now())
	stories := scripts()
	var orders []postgres.NewOrder
	for i := range orderCount {
		r := w.restaurants[i%len(w.restaurants)]
		amount := int64(1200 + 150*i)
		id := fmt.Sprintf("%s-%02d", run, i+1)
		sc := stories[i%len(stories)].scene(f, f.Payment(r.id, "order-"+id, "pay-"+id, amount, r.currency))
		sc.restaurant = r
		s.orders, s.ids, s.byOrder["order-"+id] = append(s.orders, sc), append(s.ids, "order-"+id), sc
		orders = append(orders, postgres.NewOrder{
			OrderID: "order-" + id, PaymentID: "pay-" + id, RestaurantID: r.id, Session: sc.payment.Session,
			Total: order.Money{Amount: amount, Currency: r.currency},
		})
	}
	s.remember(w.stripe, f)
	return s, w.db.CreateOrders(ctx, orders)
}

// play posts every story, several at a time, and watches the orders until all
// are where they must be.
func (s *show) play(ctx context.Context, o options, screen *screen) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errLate)
	defer cancel()
	posting, postCtx := errgroup.WithContext(ctx)
	posting.SetLimit(couriers)
	var watching sync.WaitGroup
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var watchErr error
	watching.Go(func() { watchErr = s.watch(watchCtx, screen) })
	for _, sc := range s.orders {
		posting.Go(func() error { return s.tell(postCtx, sc, screen.live && !o.once) })
	}
	err := posting.Wait()
	if err != nil {
		stopWatching()
	}
	watching.Wait()
	screen.finish()
	s.client.CloseIdleConnections()
	switch {
	case errors.Is(context.Cause(ctx), errLate):
		return s.late(o.timeout)
	case ctx.Err() != nil:
		return nil // Ctrl-C, which playAndServe sees
	}
	return errors.Join(err, watchErr)
}

var errLate = errors.New("the orders are not where they must be")

// tell delivers one order's events, one after the other, as Stripe would.
func (s *show) tell(ctx context.Context, sc *scene, slowly bool) error {
	for _, e := range sc.events {
		if slowly {
			select {
			case <-time.After(pace):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		secret, want := sc.restaurant.secret, http.StatusOK
		if sc.forged {
			secret, want = "whsec_forged", http.StatusBadRequest
		}
		status, body, err := stripetest.Post(ctx, s.client, s.base+webhooks, secret, e, time.Now())
		if err != nil {
			return err
		}
		s.deliveries.Add(1)
		if status != want {
			return fmt.Errorf("the endpoint answered %s with %d %s, want %d", e.Type, status, body, want)
		}
	}
	return nil
}

const webhooks = "/api/v1/webhooks/stripe"

// watch reads the orders' states until all are done or ctx ends.
func (s *show) watch(ctx context.Context, screen *screen) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		states, err := s.db.OrderStates(ctx, s.ids)
		if err != nil && ctx.Err() == nil {
			return err
		}
		left := len(s.orders)
		for _, state := range states {
			sc := s.byOrder[state.OrderID]
			sc.order, sc.payState = state.Order, state.Payment
			if sc.done() {
				left--
			}
		}
		screen.draw()
		// An order that must stay where it is has always been there: only
		// when all deliveries are answered does "done" mean anything.
		if left == 0 && s.deliveries.Load() == s.total() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *show) total() (n int64) {
	for _, sc := range s.orders {
		n += int64(len(sc.events))
	}
	return n
}

// late says which orders are not where they must be.
func (s *show) late(timeout time.Duration) error {
	text := fmt.Sprintf("after %s these orders are not where they must be:", timeout)
	for _, sc := range s.orders {
		if !sc.done() {
			text += fmt.Sprintf("\n  %s (%s) is %s / %s, must be %s / %s",
				sc.payment.OrderID, sc.story, sc.order, sc.payState, sc.wantOrder, sc.wantPayment)
		}
	}
	return errors.New(text)
}

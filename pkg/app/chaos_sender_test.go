package app_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tillhook/pkg/stripetest"
)

const (
	// chaosRate is how many deliveries are begun in a second, whatever becomes
	// of those before. It is lowered, and raised again, by what the machine
	// bears: see pace.
	chaosRate, lowestRate = 1000, 200
	// highBacklog is how many events may be unfinished before the sender slows.
	highBacklog = 5 * chaosRate
	// chaosDoubles is how many events of a hundred are delivered twice.
	chaosDoubles = 20
	// aheadShort and aheadLong are how many deliveries are ready to be sent. One
	// of them is taken at random, so that each event may come before or after
	// all others of its order; and there is something to send while no order can
	// be stored, as long as that may last.
	aheadShort, aheadLong = 4 * chaosRate, 20 * chaosRate
	// chaosUnderway bounds the deliveries that wait for their answer.
	chaosUnderway = 1024
	// senderTimeout is how long an answer is waited for.
	senderTimeout = 5 * time.Second
)

// sender behaves like Stripe: what isn't answered with 200 is delivered again
// later, with a new signature, until it is.
type sender struct {
	*product
	teller  storyteller
	client  *http.Client
	rand    *rand.Rand // of the goroutine that begins deliveries
	rate    atomic.Int64
	slots   chan struct{}
	trouble atomic.Int64 // counts the beginnings and ends of faults: even in between
	quietAt atomic.Int64 // unix nanoseconds from which on all should be well again

	mu      sync.Mutex
	ready   []delivery // not begun yet
	again   []delivery // to be begun once more
	open    int        // deliveries without a 200
	acked   map[string]bool
	want    map[string]ending
	answers map[string]int
	calm    []time.Duration // answer times of deliveries that met no fault
	begun   int
	lowest  int64
}

// delivery is one event that is to be answered with 200.
type delivery struct {
	restaurant string
	event      stripetest.Event
}

func newSender(p *product, seed uint64) *sender {
	s := &sender{
		product: p, teller: storyteller{factory: stripetest.NewFactory(seed, time.Now())},
		client: &http.Client{Timeout: senderTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		rand:   rand.New(rand.NewPCG(seed, 1)), slots: make(chan struct{}, chaosUnderway),
		acked: map[string]bool{}, want: map[string]ending{}, answers: map[string]int{}, lowest: chaosRate,
	}
	s.rate.Store(chaosRate)
	return s
}

// tell keeps orders and their events ready until ctx ends.
func (s *sender) tell(ctx context.Context) {
	ahead := aheadShort
	if *chaosLong {
		ahead = aheadLong
	}
	for ctx.Err() == nil {
		s.mu.Lock()
		enough := len(s.ready) >= ahead
		s.mu.Unlock()
		if enough {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		tales := make([]tale, 200)
		for i := range tales {
			tales[i] = s.teller.tell()
		}
		for store(context.WithoutCancel(ctx), s.db, tales) != nil { // the database may be away
			pause(s.Context(), 100*time.Millisecond)
			if s.Context().Err() != nil {
				return
			}
		}
		s.offer(tales)
	}
}

// offer makes the tales' events ready to be sent.
func (s *sender) offer(tales []tale) {
	for _, t := range tales {
		ends, err := foretell(t)
		if err != nil {
			s.Error(err)
			return
		}
		s.mu.Lock()
		maps.Copy(s.want, ends)
		for i, e := range t.events {
			d := delivery{t.payments[0].RestaurantID, e}
			s.ready = append(s.ready, d)
			if i%(100/chaosDoubles) == len(s.want)%(100/chaosDoubles) {
				s.ready = append(s.ready, d)
			}
		}
		s.mu.Unlock()
	}
}

// send begins deliveries until ctx has ended and everything ready is begun.
func (s *sender) send(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var fresh, repeated float64
	for last := time.Now(); ; {
		select {
		case <-s.Context().Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		due := float64(s.rate.Load()) * now.Sub(last).Seconds()
		last = now
		// What was refused comes on top, as it does with Stripe.
		fresh, repeated = s.begin(&s.ready, fresh+due), s.begin(&s.again, repeated+due)
		s.mu.Lock()
		over := ctx.Err() != nil && len(s.ready) == 0 && len(s.again) == 0 && s.open == 0
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// begin begins as many deliveries as are due, and returns what is due still: no
// more than one, since what could not be begun in time is not made up for.
func (s *sender) begin(from *[]delivery, due float64) float64 {
	for ; due >= 1; due-- {
		select {
		case s.slots <- struct{}{}:
		default:
			return 0
		}
		s.mu.Lock()
		n := len(*from)
		if n == 0 {
			s.mu.Unlock()
			<-s.slots
			return 0
		}
		i := s.rand.IntN(n)
		d := (*from)[i]
		(*from)[i] = (*from)[n-1]
		*from = (*from)[:n-1]
		s.open++
		s.begun++
		s.mu.Unlock()
		go s.deliverOnce(d)
	}
	return due
}

func (s *sender) deliverOnce(d delivery) {
	defer func() { <-s.slots }()
	started, before := time.Now(), s.trouble.Load()
	url := s.base + "/api/v1/webhooks/stripe"
	if started.UnixNano()%2 == 0 {
		url += "/slug-" + d.restaurant
	}
	status, body, err := stripetest.Post(s.Context(), s.client, url, s.secrets[d.restaurant], d.event, started)
	took, calm := time.Since(started), before%2 == 0 && before == s.trouble.Load() && started.UnixNano() > s.quietAt.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	switch {
	case err != nil:
		s.answers["none"]++
	case status == http.StatusOK && bytes.Contains(body, []byte(`"duplicate":true`)):
		s.answers["duplicate"]++
	default:
		s.answers[fmt.Sprint(status)]++
	}
	switch {
	case err == nil && status == http.StatusOK:
		s.acked[d.event.ID] = true
		if calm {
			s.calm = append(s.calm, took)
		}
		return
	case err == nil && status != http.StatusServiceUnavailable:
		s.Errorf("%s: %d %s", d.event.Type, status, body)
	}
	s.open++
	time.AfterFunc(500*time.Millisecond+rand.N(2*time.Second), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		s.again = append(s.again, d)
	})
}

// pace slows the sender down while the workers fall behind, until ctx ends: on
// a machine that is busy with other things there would be no end.
func (s *sender) pace(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, time.Second)
		var unfinished int64
		if err := s.db.GetContext(ctx, &unfinished, `SELECT count(*) FROM "WebhookEvent" WHERE status = 'PROCESSING'`); err != nil {
			continue // a fault that the sender must not spare
		}
		rate := s.rate.Load()
		if unfinished > highBacklog {
			rate = max(lowestRate, rate*7/10)
		} else {
			rate = min(chaosRate, rate*6/5+1)
		}
		s.rate.Store(rate)
		s.mu.Lock()
		s.lowest = min(s.lowest, rate)
		s.mu.Unlock()
	}
}

// left is how many deliveries are not answered with 200 yet.
func (s *sender) left() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.ready) + len(s.again) + s.open)
}

// p99 is the answer time outside of faults that one in a hundred exceeds.
func (s *sender) p99() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calm) == 0 {
		return 0
	}
	slices.Sort(s.calm)
	return s.calm[len(s.calm)*99/100]
}

// pause lets time pass, which is what a fault is made of.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

func TestMain(m *testing.M) {
	// The cache with expiring entries has no end: its sweeper lives as long as
	// the process, of which there is one server.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/golang-lru/v2/expirable.NewLRU[...].func1"))
}

var epoch = time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC)

// world is everything around the server.
type world struct {
	listening chan struct{} // closed when somebody listens

	mu       sync.Mutex
	views    map[string]order.View
	replays  map[string]order.Placing
	reads    [][]string // ids of each read
	fail     error      // of reads
	during   func()     // of the next read, after the orders are read and before anybody is told
	changed  func([]string)
	begun    []order.CheckoutStart
	begin    func(order.CheckoutStart) (order.Checkout, error)
	kept     []string
	keep     error
	dropped  []string
	sessions map[string]order.Session
	asked    []string
	endless  error // of sessions that are to end
	create   func(order.CheckoutRequest) (order.Session, error)
	uses     []string
}

func newWorld() *world {
	w := &world{listening: make(chan struct{}), views: map[string]order.View{}, replays: map[string]order.Placing{}, sessions: map[string]order.Session{}}
	w.put("o1", order.PaymentPending)
	return w
}

func (w *world) put(id string, s order.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := order.View{ID: id, RestaurantID: "r", Status: s, TotalAmount: 2450, Currency: "eur", CreatedAt: epoch, UpdatedAt: epoch}
	if s == order.Paid {
		v.PaidAt = &epoch
	}
	w.views[id] = v
}

// change is put that is told of.
func (w *world) change(id string, s order.Status) {
	w.put(id, s)
	w.tell([]string{id})
}

// tell waits until somebody listens: a server answers before it does.
func (w *world) tell(ids []string) {
	<-w.listening
	w.mu.Lock()
	changed := w.changed
	w.mu.Unlock()
	changed(ids)
}

func (w *world) PlaceOrder(_ context.Context, p order.Placing) (order.View, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, ok := w.replays[p.IdempotencyKey]; ok && p.IdempotencyKey != "" {
		if string(before.RequestHash) != string(p.RequestHash) {
			return order.View{}, false, order.ErrReplayed
		}
		return w.views[before.OrderID], true, nil
	}
	w.replays[p.IdempotencyKey] = p
	w.views[p.OrderID] = order.View{ID: p.OrderID, RestaurantID: p.RestaurantID, Status: order.PaymentPending,
		TotalAmount: p.Total.Amount, Currency: p.Total.Currency, CreatedAt: epoch, UpdatedAt: epoch}
	return w.views[p.OrderID], false, w.fail
}

func (w *world) Views(_ context.Context, ids []string) (views []order.View, err error) {
	w.mu.Lock()
	defer func() {
		during := w.during
		w.during = nil
		w.mu.Unlock()
		if during != nil {
			during()
		}
	}()
	ids = slices.Sorted(slices.Values(ids))
	w.reads = append(w.reads, ids)
	for _, id := range ids {
		if v, ok := w.views[id]; ok {
			views = append(views, v)
		}
	}
	return views, w.fail
}

func (w *world) WatchOrders(ctx context.Context, changed func([]string)) error {
	w.mu.Lock()
	w.changed = changed
	w.mu.Unlock()
	changed(nil)
	close(w.listening)
	<-ctx.Done()
	return nil
}

func (w *world) BeginCheckout(_ context.Context, s order.CheckoutStart) (order.Checkout, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Dead = slices.Clone(s.Dead)
	w.begun = append(w.begun, s)
	if w.begin != nil {
		return w.begin(s)
	}
	s.Request.RestaurantID, s.Request.OrderID, s.Request.PaymentID = "r", s.OrderID, "p1"
	return order.Checkout{RestaurantID: "r", PaymentID: "p1", Request: s.Request, Attempt: 1}, nil
}

func (w *world) KeepSession(_ context.Context, paymentID string, attempt int, sessionID string) error {
	w.kept = append(w.kept, fmt.Sprint(paymentID, " ", attempt, " ", sessionID))
	return w.keep
}

func (w *world) DropRequest(_ context.Context, paymentID string, attempt int) error {
	w.dropped = append(w.dropped, fmt.Sprint(paymentID, " ", attempt))
	return nil
}

func (w *world) EndAbandoned(context.Context, int) (int, error) { return 0, nil }

func (w *world) CreateSession(_ context.Context, r order.CheckoutRequest, key string) (order.Session, error) {
	w.asked = append(w.asked, "create "+key)
	if w.create != nil {
		return w.create(r)
	}
	return order.Session{ID: "cs_new", URL: "https://checkout.stripe.com/c/pay/cs_new", State: order.SessionOpen, ExpiresAt: r.ExpiresAt}, nil
}

func (w *world) Session(_ context.Context, _, id string) (order.Session, error) {
	w.asked = append(w.asked, "read "+id)
	return w.sessions[id], nil
}

func (w *world) ExpireSession(_ context.Context, _, id string) (order.Session, error) {
	w.asked = append(w.asked, "end "+id)
	return order.Session{ID: id, State: order.SessionExpired}, w.endless
}

func (w *world) FindShopKey(_ context.Context, hash []byte) (event.ShopKey, error) {
	if restaurant, ok := strings.CutPrefix(string(hash), "hash of thk_"); ok && len(restaurant) == 1 {
		return event.ShopKey{ID: "key_" + restaurant, RestaurantID: restaurant}, nil
	}
	return event.ShopKey{}, event.ErrNoShopKey
}

func (w *world) PutShopKeyUses(_ context.Context, ids []string, _ []int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uses = append(w.uses, ids...)
	return nil
}

// Token and Check: an order's token is its id.
func (w *world) Token(id string) string       { return "ot_" + id + strings.Repeat("x", 43-len(id)%43) }
func (w *world) Check(id, token string) bool  { return token == w.Token(id) }
func hashOf(key string) []byte                { return []byte("hash of " + key) }
func isKey(text string) bool                  { return strings.HasPrefix(text, "thk_") }
func (w *world) set(f func())                 { w.mu.Lock(); defer w.mu.Unlock(); f() }
func (w *world) has(id string) (s order.View) { w.mu.Lock(); defer w.mu.Unlock(); return w.views[id] }

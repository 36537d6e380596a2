package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
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
	changed  func([]string)
	begun    []order.CheckoutStart
	begin    func(order.CheckoutStart) (order.Checkout, error)
	kept     []string
	dropped  []string
	sessions map[string]order.Session
	asked    []string
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

func (w *world) tell(ids []string) {
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
	defer w.mu.Unlock()
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
	return nil
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
	return order.Session{ID: id, State: order.SessionExpired}, nil
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

// shop is a running server.
type shop struct {
	*testing.T
	*Server
	world   *world
	base    string
	metrics *telemetry.Metrics
	logs    *logs
	stop    context.CancelFunc
	ended   chan error
}

type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *logs) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newShop(t *testing.T, change ...func(*Config)) *shop {
	t.Helper()
	w := newWorld()
	sh := &shop{T: t, world: w, metrics: telemetry.NewMetrics(), logs: &logs{}, ended: make(chan error, 1)}
	frontend, err := url.Parse("https://shop.example")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Orders: w, Checkouts: w, Abandoned: w, Stripe: w, Keys: w, KeyForm: KeyForm{isKey, hashOf}, Tokens: w, Frontend: frontend,
		Ready: func(context.Context) bool { return true }, Metrics: sh.metrics.NewAPI(), Log: slog.New(slog.NewJSONHandler(sh.logs, nil)),
	}
	for _, f := range change {
		f(&cfg)
	}
	sh.Server = NewServer(cfg)
	return sh
}

// run serves on a listener until the test ends.
func (sh *shop) run(l net.Listener) *shop {
	sh.Helper()
	sh.base = "http://" + l.Addr().String()
	var ctx context.Context
	ctx, sh.stop = context.WithCancel(context.Background())
	go func() { sh.ended <- sh.Server.Run(ctx, l) }()
	sh.Cleanup(func() {
		sh.stop()
		if err := <-sh.ended; err != nil {
			sh.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return sh
}

func (sh *shop) listen() *shop {
	sh.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		sh.Fatal(err)
	}
	return sh.run(l)
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// call asks without a network. headers are "Name: value".
func (sh *shop) call(method, path, body string, headers ...string) reply {
	sh.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	sh.http.Handler.ServeHTTP(rec, req)
	return reply{rec.Code, rec.Header(), strings.TrimSpace(rec.Body.String())}
}

// get asks over the network, and leaves the body to be read.
func (sh *shop) get(ctx context.Context, path string, headers ...string) *http.Response {
	sh.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sh.base+path, nil)
	if err != nil {
		sh.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		sh.Fatal(err)
	}
	sh.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// waitingFor waits until so many clients wait for the order.
func (sh *shop) waitingFor(id string, n int) {
	sh.Helper()
	look := time.NewTicker(time.Millisecond) // no signal tells of it
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-look.C {
		sh.hub.mu.Lock()
		got := len(sh.hub.waiting[id])
		sh.hub.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			sh.Fatalf("%d wait for %s, want %d", got, id, n)
		}
	}
}

func (sh *shop) token(id string) string { return "Authorization: Bearer " + sh.world.Token(id) }

// events reads a stream: "field: value" lines of one event, or nil at its end.
type events struct{ *bufio.Reader }

func (e events) next() (map[string]string, error) {
	got := map[string]string{}
	for {
		line, err := e.ReadString('\n')
		if errors.Is(err, io.EOF) && len(got) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return maps.Clone(got), nil
		}
		name, value, _ := strings.Cut(line, ": ")
		got[name] = value
	}
}

package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripetest"
)

// till is Stripe's Checkout, as much of it as an order needs: one session for
// one idempotency key, which a test completes or ends.
type till struct {
	mu       sync.Mutex
	sessions map[string]url.Values // by id: what was asked for
	states   map[string]string
	keys     map[string]string // idempotency key to id
	fail     int               // status for the next requests
	lose     int               // so many answers get lost on their way
}

func newTill(t *testing.T) (*till, string) {
	t.Helper()
	s := &till{sessions: map[string]url.Values{}, states: map[string]string{}, keys: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *till) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != 0 {
		w.WriteHeader(s.fail)
		_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","message":"no, sk_test_till"}}`)
		return
	}
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/checkout/sessions"), "/")
	if id == "" {
		key := r.Header.Get("Idempotency-Key")
		if id = s.keys[key]; id == "" {
			id = fmt.Sprintf("cs_test_%d", len(s.sessions)+1)
			s.keys[key], s.sessions[id], s.states[id] = id, r.PostForm, "open"
		} else if s.sessions[id].Encode() != r.PostForm.Encode() {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":{"type":"idempotency_error"}}`)
			return
		}
		if s.lose > 0 {
			s.lose--
			panic(http.ErrAbortHandler)
		}
	}
	expires, _ := strconv.ParseInt(s.sessions[id].Get("expires_at"), 10, 64)
	answer := map[string]any{"id": id, "object": "checkout.session", "status": s.states[id], "url": nil, "expires_at": expires}
	if s.states[id] == "open" {
		answer["url"] = "https://checkout.stripe.com/c/pay/" + id
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *till) set(id, state string) { s.mu.Lock(); defer s.mu.Unlock(); s.states[id] = state }
func (s *till) failing(status int)   { s.mu.Lock(); defer s.mu.Unlock(); s.fail = status }
func (s *till) losing(n int)         { s.mu.Lock(); defer s.mu.Unlock(); s.lose = n }
func (s *till) made() int            { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sessions) }

// storefront is a product with the api's own process beside it.
type storefront struct {
	*product
	till       *till
	stripeBase string // where it is
	api        *process
	root       string
	key        string // of restaurant a's storefront
}

func openStorefront(t *testing.T, what parts) *storefront {
	t.Helper()
	s := &storefront{product: start(t, what)}
	s.till, s.stripeBase = newTill(t)
	s.key = s.shopKey("a")
	s.stripeKey("a", "sk_test_till")
	s.api, s.root = s.openShop(s.stripeBase)
	return s
}

// openShop starts an api process.
func (p *product) openShop(stripeBase string, env ...string) (*process, string) {
	p.Helper()
	port := freePort(p.T)
	c := p.launch("api", append(env, "PORT="+port, "FRONTEND_URL=https://shop.example", "STRIPE_API_BASE="+stripeBase)...)
	root := "http://127.0.0.1:" + port
	p.eventually("the storefront answers", func() bool { return p.call("GET", root+"/health", "").status == http.StatusOK })
	return c, root
}

// shopKey makes a key that creates orders of a restaurant.
func (p *product) shopKey(restaurantID string) string {
	p.Helper()
	key := secret.NewShopKey()
	err := p.db.CreateShopKey(context.Background(), postgres.Operator{Actor: "test", Action: "test"},
		event.ShopKey{ID: "key_" + restaurantID, RestaurantID: restaurantID, Name: "shop", Prefix: secret.ShopKeyPrefix(key)}, secret.HashShopKey(key.Reveal()))
	if err != nil {
		p.Fatal(err)
	}
	return key.Reveal()
}

// stripeKey stores a restaurant's sealed key at Stripe.
func (p *product) stripeKey(restaurantID, key string) {
	p.Helper()
	ring, err := secret.ParseRing(encKey)
	if err != nil {
		p.Fatal(err)
	}
	sealed, err := ring.Seal(key, "config-"+restaurantID)
	if err != nil {
		p.Fatal(err)
	}
	if err := p.db.StoreAPIKey(context.Background(), postgres.Operator{Actor: "test", Action: "test"}, "config-"+restaurantID, restaurantID, sealed, secret.Fingerprint("")); err != nil {
		p.Fatal(err)
	}
}

// call asks any address. headers are "Name: value".
func (p *product) call(method, address, body string, headers ...string) answer {
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return answer{body: err.Error()}
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, strings.TrimSpace(string(text)), resp.Header}
}

// order creates an order of 25.00, and answers its id and token.
func (s *storefront) order() (id, token string) {
	s.Helper()
	got := s.call("POST", s.root+"/api/v1/orders", `{"lines":[{"name":"Pizza","quantity":2,"unitAmount":1250}],"currency":"EUR"}`, "Authorization: Bearer "+s.key)
	var o struct{ ID, Token string }
	if err := json.Unmarshal([]byte(got.body), &o); err != nil || got.status != 201 {
		s.Fatalf("%+v, %v", got, err)
	}
	return o.ID, o.Token
}

// session is the checkout's answer.
func (s *storefront) session(id, token string) (sessionID string) {
	s.Helper()
	got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token)
	var c struct{ SessionID, URL string }
	if err := json.Unmarshal([]byte(got.body), &c); err != nil || got.status != 200 || c.URL != "https://checkout.stripe.com/c/pay/"+c.SessionID {
		s.Fatalf("%+v, %v", got, err)
	}
	return c.SessionID
}

// paymentOf is the payment of a session, as its events will name it.
func (s *storefront) paymentOf(orderID, session string) stripetest.Payment {
	s.Helper()
	pay := s.factory.Payment("a", orderID, s.scalar(`SELECT "paymentId" FROM "PaymentObject" WHERE "objectId" = $1`, session), 2500, "eur")
	pay.Session = session
	return pay
}

// follow opens a stream and answers its events' data as they come; the channel
// is closed with it.
func (s *storefront) follow(id, token string) <-chan string {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.root+"/api/v1/orders/"+id+"/events?token="+token, nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := (&http.Client{Transport: s.client.Transport}).Do(req) // without the client's timeout
	if err != nil || resp.StatusCode != 200 {
		s.Fatalf("%+v, %v", resp, err)
	}
	told := make(chan string, 16)
	go func() {
		defer close(told)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			for _, field := range []string{"data: ", "retry: "} {
				if data, ok := strings.CutPrefix(lines.Text(), field); ok {
					told <- data
				}
			}
		}
	}()
	<-told // the first retry
	return told
}

func statusIn(data string) string {
	var o struct{ Status string }
	_ = json.Unmarshal([]byte(data), &o)
	return o.Status
}

// From "pay" to the page that sees PAID: order, session, money, stream.
func TestFromPayToThePageThatSeesPaid(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	id, token := s.order()
	told := s.follow(id, token)
	if got := statusIn(<-told); got != "PAYMENT_PENDING" {
		t.Errorf("at first %s", got)
	}
	session := s.session(id, token)
	if again := s.session(id, s.key); again != session || s.till.made() != 1 {
		t.Errorf("%s, then %s; %d sessions", session, again, s.till.made())
	}
	form := s.till.sessions[session]
	for name, want := range map[string]string{
		"metadata[orderId]": id, "metadata[restaurantId]": "a", "payment_intent_data[metadata][orderId]": id, "client_reference_id": id,
		"payment_intent_data[metadata][paymentId]": s.scalar(`SELECT id FROM "Payment"`), "line_items[0][price_data][unit_amount]": "1250",
		"success_url": "https://shop.example/orders/" + id + "?checkout=success",
	} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	etag := s.call("GET", s.root+"/api/v1/orders/"+id, "", "Authorization: Bearer "+token).header.Get("ETag")
	polled := make(chan answer, 1)
	go func() {
		polled <- s.call("GET", s.root+"/api/v1/orders/"+id+"?wait=15s", "", "Authorization: Bearer "+token, "If-None-Match: "+etag)
	}()
	pay := s.paymentOf(id, session)
	began := time.Now()
	if got := s.deliver(pay, s.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	if got := statusIn(<-told); got != "PAID" {
		t.Errorf("after the money %s", got)
	}
	t.Logf("PAID on the page %s after Stripe's POST began", time.Since(began).Round(time.Millisecond))
	if _, more := <-told; more {
		t.Error("the stream goes on after PAID")
	}
	if got := <-polled; statusIn(got.body) != "PAID" {
		t.Errorf("the long poll: %+v", got)
	}
	s.till.set(session, "complete")
	if got := s.call("POST", s.root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token); got.status != 409 || !strings.Contains(got.body, "order-paid") {
		t.Errorf("another checkout: %+v", got)
	}
	for _, hidden := range []string{token, s.key, "sk_test_till"} {
		if strings.Contains(s.api.logs.String(), hidden) {
			t.Errorf("the log has %.6s…", hidden)
		}
	}
}

// An expired session is followed by another, with an event that says so or
// without one, and the order waits again.
func TestAnExpiredSessionIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{})
	s.order() // which nobody pays: an audit has nothing to say of it
	id, token := s.order()
	first := s.session(id, token)
	s.till.set(first, "expired")
	second := s.session(id, token) // no event has come yet
	if second == first {
		t.Fatal("the expired session again")
	}
	for _, session := range []string{first, second} {
		s.till.set(session, "expired")
		pay := s.paymentOf(id, session)
		if got := s.deliver(pay, s.factory.CheckoutExpired(pay)); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	s.eventually("the order has expired", func() bool { return s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id) == "EXPIRED" })
	third := s.session(id, token)
	if got := s.scalar(`SELECT status FROM "Order" WHERE id = $1`, id); got != "PAYMENT_PENDING" || third == second {
		t.Errorf("%s, session %s", got, third)
	}
	pay := s.paymentOf(id, third)
	told := s.follow(id, token)
	<-told
	if got := s.deliver(pay, s.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	if got := statusIn(<-told); got != "PAID" {
		t.Error(got)
	}
	// The story is the one that an audit makes of the events.
	s.eventually("the event is worked off", func() bool { return s.rows(`status = 'PROCESSING'`) == "0" })
	if out, err := s.ops("", "audit"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Clicks at once, on two processes, answers that get lost, and a crash between
// Stripe and us: it is one session.
func TestHoweverItGoesWrongThereIsOneSession(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	_, other := s.openShop(s.stripeBase)
	s.till.losing(2)
	var clicks sync.WaitGroup
	for i := range 8 {
		root := []string{s.root, other}[i%2]
		clicks.Go(func() {
			got := s.call("POST", root+"/api/v1/orders/"+id+"/checkout", "", "Authorization: Bearer "+token)
			if got.status != 200 || !strings.Contains(got.body, `"sessionId":"cs_test_1"`) {
				t.Errorf("%+v", got)
			}
		})
	}
	clicks.Wait()
	if n := s.till.made(); n != 1 || s.scalar(`SELECT count(*)::text FROM "Payment"`) != "1" {
		t.Errorf("%d sessions", n)
	}
	// A process that dies when Stripe has answered, before it has stored that.
	crashed, token := s.order()
	want := s.session(crashed, token)
	for _, undo := range []string{`UPDATE "Checkout" SET "sessionId" = NULL WHERE "sessionId" = $1`,
		`DELETE FROM "PaymentObject" WHERE "objectId" = $1`, `UPDATE "Payment" SET "providerPaymentId" = NULL WHERE "providerPaymentId" = $1`} {
		if _, err := s.db.Exec(undo, want); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.session(crashed, token); got != want || s.till.made() != 2 {
		t.Errorf("%s after the crash, %s before; %d sessions", got, want, s.till.made())
	}
	// What Stripe refuses is told without its words, and is tried anew.
	refused, token := s.order()
	s.till.failing(402)
	got := s.call("POST", s.root+"/api/v1/orders/"+refused+"/checkout", "", "Authorization: Bearer "+token)
	if got.status != 502 || strings.Contains(got.body+s.api.logs.String(), "sk_test_till") {
		t.Errorf("%+v", got)
	}
	s.till.failing(0)
	s.session(refused, token)
}

// Told to stop, the api sends away whoever waits and ends in time.
func TestTheStorefrontEndsWithSIGTERM(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	told := s.follow(id, token)
	<-told
	etag := s.call("GET", s.root+"/api/v1/orders/"+id, "", "Authorization: Bearer "+token).header.Get("ETag")
	polled := make(chan answer, 1)
	go func() {
		polled <- s.call("GET", s.root+"/api/v1/orders/"+id+"?wait=15s", "", "Authorization: Bearer "+token, "If-None-Match: "+etag)
	}()
	began := time.Now()
	s.api.terminate(t)
	if got := <-polled; got.status != 304 && got.status != 0 { // 0: it had not arrived yet
		t.Errorf("%+v", got)
	}
	var words []string
	for w := range told {
		words = append(words, w)
	}
	if diff := cmp.Diff(1, len(words)); diff != "" || time.Since(began) > 8*time.Second {
		t.Errorf("after %s: %q", time.Since(began), words)
	}
	if !strings.Contains(s.api.logs.String(), `"route":"/api/v1/orders/:order/events"`) {
		t.Error("no line of the stream in the log")
	}
}

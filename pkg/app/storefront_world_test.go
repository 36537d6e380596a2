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
	hold     chan chan bool    // unless nil: who makes a session says so, and answers when that is closed
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
		if hold := s.hold; hold != nil {
			s.hold = nil
			s.mu.Unlock()
			goOn := make(chan bool)
			hold <- goOn
			<-goOn
			s.mu.Lock()
		}
	}
	if ended, ok := strings.CutSuffix(id, "/expire"); ok {
		id, s.states[ended] = ended, "expired"
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

// open are the sessions that can be paid, and for how much each line of them.
func (s *till) open() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := map[string]string{}
	for id, state := range s.states {
		if state == "open" {
			open[id] = s.sessions[id].Get("line_items[0][price_data][unit_amount]")
		}
	}
	return open
}

// holding has the next session made, and its answer held until the channel that
// comes is closed.
func (s *till) holding() <-chan chan bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = make(chan chan bool)
	return s.hold
}

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
	return p.send(req)
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

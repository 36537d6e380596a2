package stripetest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tillhook/pkg/stripe"
	. "tillhook/pkg/stripetest"
)

const (
	checkoutKey    = "sk_test_of_the_trattoria"
	checkoutSecret = "whsec_of_the_trattoria"
	thanks, left   = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}", "https://shop.example/left"
)

// till is a double with one account, and what was delivered of it.
type till struct {
	*testing.T
	api    *API
	url    string
	client *http.Client

	mu        sync.Mutex
	delivered []Event
	arrived   chan struct{} // one for each delivery
}

func newTill(t *testing.T, settle time.Duration) *till {
	t.Helper()
	s := &till{T: t, api: NewAPI(), arrived: make(chan struct{}, 100)}
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	webhook := httptest.NewServer(http.HandlerFunc(s.receive))
	server := httptest.NewServer(s.api)
	s.url = server.URL
	s.api.Open(checkoutKey, Account{Name: "Trattoria", Webhook: Webhook{URL: webhook.URL, Secret: checkoutSecret}, Settle: settle})
	t.Cleanup(func() {
		s.api.Close()
		server.Close()
		webhook.Close()
		s.client.CloseIdleConnections()
	})
	return s
}

func (s *till) receive(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	signed, err2 := stripe.ParseSignature(r.Header.Get("Stripe-Signature"))
	if err != nil || err2 != nil || !signed.Match(checkoutSecret, body) {
		s.Errorf("a delivery is not signed: %v %v", err, err2)
	}
	var e Event
	if err := json.Unmarshal(body, &struct{ ID, Type *string }{&e.ID, &e.Type}); err != nil {
		s.Error(err)
	}
	e.Body = body
	s.mu.Lock()
	s.delivered = append(s.delivered, e)
	s.mu.Unlock()
	s.arrived <- struct{}{}
}

// types waits for n deliveries, and says of which types they are so far.
func (s *till) types(n int) (types []string) {
	s.Helper()
	for range n {
		select {
		case <-s.arrived:
		case <-time.After(10 * time.Second):
			s.Fatal("nothing was delivered")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.delivered {
		types = append(types, e.Type)
	}
	return types
}

func (s *till) do(method, path string, form url.Values, header ...string) (*http.Response, string) {
	s.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+checkoutKey)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(body)
}

// twoPizzas is what a storefront asks for: two of them, and a coffee.
func twoPizzas() url.Values {
	return url.Values{
		"mode": {"payment"}, "success_url": {thanks}, "cancel_url": {left}, "client_reference_id": {"order-1"},
		"line_items[0][quantity]": {"2"}, "line_items[0][price_data][currency]": {"eur"}, "line_items[0][price_data][unit_amount]": {"950"},
		"line_items[0][price_data][product_data][name]": {"Margherita"},
		"line_items[1][quantity]":                       {"1"}, "line_items[1][price_data][currency]": {"eur"}, "line_items[1][price_data][unit_amount]": {"250"},
		"line_items[1][price_data][product_data][name]": {"Caffè <doppio>"},
		"metadata[restaurantId]":                        {"r"}, "metadata[orderId]": {"order-1"}, "metadata[paymentId]": {"pay-1"},
		"payment_intent_data[metadata][restaurantId]": {"r"}, "payment_intent_data[metadata][orderId]": {"order-1"},
		"payment_intent_data[metadata][paymentId]": {"pay-1"},
	}
}

// checkoutObject is a session as Stripe shows it.
type checkoutObject struct {
	ID, URL, Status, Currency string
	PaymentStatus             string `json:"payment_status"`
	Reference                 string `json:"client_reference_id"`
	Intent                    string `json:"payment_intent"`
	Total                     int64  `json:"amount_total"`
	Expires                   int64  `json:"expires_at"`
	Metadata                  map[string]string
}

func (s *till) session(status int, resp *http.Response, body string) (o checkoutObject) {
	s.Helper()
	if err := json.Unmarshal([]byte(body), &o); err != nil || resp.StatusCode != status {
		s.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	return o
}

func (s *till) open() checkoutObject {
	s.Helper()
	resp, body := s.do("POST", "/v1/checkout/sessions", twoPizzas())
	return s.session(200, resp, body)
}

func (s *till) look(id string) checkoutObject {
	s.Helper()
	resp, body := s.do("GET", "/v1/checkout/sessions/"+id, nil)
	return s.session(200, resp, body)
}

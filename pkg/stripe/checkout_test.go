package stripe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-mock/embedded"
	mock "github.com/stripe/stripe-mock/server"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/stripe"
)

// stripeMock is Stripe's own mock, which checks each request against Stripe's
// description of its API, and answers with examples.
var stripeMock = sync.OnceValues(func() (*mock.StubServer, error) {
	spec, err := mock.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		return nil, err
	}
	fixtures, err := mock.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		return nil, err
	}
	return mock.NewStubServer(fixtures, spec, false, false)
})

// seen is a request as it reached Stripe.
type seen struct {
	Method, Path, Key, Account, Idempotency string
	Form                                    url.Values
}

// mocked asks stripe-mock, or whoever answers before it.
func mocked(t *testing.T, before http.HandlerFunc) (*stripe.API, func() []seen) {
	t.Helper()
	stub, err := stripeMock()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing is missing in the form
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		mu.Lock()
		all = append(all, seen{r.Method, r.URL.Path, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
			r.Header.Get("Stripe-Account"), r.Header.Get("Idempotency-Key"), form})
		mu.Unlock()
		if before != nil {
			before(w, r)
			return
		}
		stub.HandleRequest(w, r)
	}))
	t.Cleanup(server.Close)
	api := stripe.NewAPI(stripe.APIConfig{BaseURL: server.URL, Rate: 1000, MaxWait: time.Second},
		keys{"r": stripe.NewKey("sk_test_123", ""), "connected": stripe.NewKey("sk_test_123", "acct_1")})
	t.Cleanup(api.Close)
	return api, func() []seen { mu.Lock(); defer mu.Unlock(); return all }
}

func checkoutRequest(restaurant string) order.CheckoutRequest {
	return order.CheckoutRequest{
		RestaurantID: restaurant, OrderID: "ord_1", PaymentID: "pay_1", Currency: "eur",
		Lines:     []order.Line{{Name: "Margherita", Quantity: 2, UnitAmount: 950}, {Name: "Acqua", Quantity: 1, UnitAmount: 250}},
		ExpiresAt: time.Unix(1_900_000_000, 0), SuccessURL: "https://shop.example/orders/ord_1?checkout=success", CancelURL: "https://shop.example/orders/ord_1?checkout=cancelled",
	}
}

// Stripe's own mock takes the request, and this is all that is in it.
func TestASessionIsMadeAsStripeWantsIt(t *testing.T) {
	t.Parallel()
	api, requests := mocked(t, nil)
	for _, restaurant := range []string{"r", "connected"} {
		s, err := api.CreateSession(t.Context(), checkoutRequest(restaurant), "checkout:pay_1:1")
		if err != nil || !strings.HasPrefix(s.ID, "cs_") || s.State != order.SessionOpen {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	want := url.Values{
		"mode": {"payment"}, "client_reference_id": {"ord_1"}, "expires_at": {"1900000000"},
		"success_url": {"https://shop.example/orders/ord_1?checkout=success"}, "cancel_url": {"https://shop.example/orders/ord_1?checkout=cancelled"},
		"metadata[orderId]": {"ord_1"}, "metadata[paymentId]": {"pay_1"}, "metadata[restaurantId]": {"r"},
		"payment_intent_data[metadata][orderId]": {"ord_1"}, "payment_intent_data[metadata][paymentId]": {"pay_1"}, "payment_intent_data[metadata][restaurantId]": {"r"},
		"line_items[0][quantity]": {"2"}, "line_items[0][price_data][currency]": {"eur"}, "line_items[0][price_data][unit_amount]": {"950"},
		"line_items[0][price_data][product_data][name]": {"Margherita"},
		"line_items[1][quantity]":                       {"1"}, "line_items[1][price_data][currency]": {"eur"}, "line_items[1][price_data][unit_amount]": {"250"},
		"line_items[1][price_data][product_data][name]": {"Acqua"},
		"adaptive_pricing[enabled]":                     {"false"},
	}
	got := requests()
	if diff := cmp.Diff(seen{"POST", "/v1/checkout/sessions", "sk_test_123", "", "checkout:pay_1:1", want}, got[0]); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if got[1].Account != "acct_1" {
		t.Errorf("asked for account %q", got[1].Account)
	}
}

// What a version of Stripe's does not know of need not be switched off: the
// session is made without it, by the same key.
func TestASessionIsMadeWithoutWhatStripeDoesNotKnow(t *testing.T) {
	t.Parallel()
	for param, want := range map[string]int{"adaptive_pricing": 2, "adaptive_pricing[enabled]": 2, "line_items[0][price_data]": 1} {
		api, requests := mocked(t, func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("adaptive_pricing[enabled]") != "" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":{"type":"invalid_request_error","code":"parameter_unknown","param":%q}}`, param)
				return
			}
			io.WriteString(w, `{"id":"cs_test_1","object":"checkout.session","status":"open"}`)
		})
		_, err := api.CreateSession(t.Context(), checkoutRequest("r"), "checkout:pay_1:1")
		got := requests()
		if len(got) != want || (err == nil) != (want == 2) || got[len(got)-1].Idempotency != "checkout:pay_1:1" {
			t.Errorf("%s: %v, %+v", param, err, got)
		}
	}
}

func TestASessionIsReadAndEnded(t *testing.T) {
	t.Parallel()
	api, requests := mocked(t, nil)
	if s, err := api.Session(t.Context(), "r", "cs_test_1"); err != nil || s.ID == "" || s.ExpiresAt.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := api.ExpireSession(t.Context(), "r", "cs_test_1"); err != nil || s.ID == "" {
		t.Errorf("%+v, %v", s, err)
	}
	var paths []string
	for _, r := range requests() {
		paths = append(paths, r.Method+" "+r.Path)
	}
	if diff := cmp.Diff([]string{"GET /v1/checkout/sessions/cs_test_1", "POST /v1/checkout/sessions/cs_test_1/expire"}, paths); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// The mock looks at what it is sent: the tests above can fail.
func TestStripeMockRefusesWhatStripeHasNot(t *testing.T) {
	t.Parallel()
	stub, err := stripeMock()
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]int{"mode=payment&success_url=https://x": 200, "mode=payment&sucess_url=https://x": 400, "mode=barter": 400} {
		req := httptest.NewRequest(http.MethodPost, "/v1/checkout/sessions", strings.NewReader(form))
		req.Header.Set("Authorization", "Bearer sk_test_123")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		stub.HandleRequest(rec, req)
		if rec.Code != want {
			t.Errorf("%s: %d %s", form, rec.Code, rec.Body)
		}
	}
}

// Whatever Stripe says, the error says what follows from it, and nothing that
// Stripe has said.
func TestWhyThereIsNoSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		answer    http.HandlerFunc
		want      error
		permanent bool
		requests  int
		answered  bool // the same key would be told the same again
	}{
		{"wrong key", says(401, "Invalid API Key provided: sk_test_123"), event.ErrAPIKey, true, 1, false},
		{"not allowed", says(403, "The key sk_test_123 may not"), event.ErrForbidden, true, 1, false},
		{"card declined at once", says(402, "Your account sk_test_123"), event.ErrNoAnswer, true, 1, true},
		{"bad request", says(400, "sk_test_123: amount too small"), event.ErrNoAnswer, true, 1, true},
		{"too many", says(429, "slow down sk_test_123"), event.ErrTooMany, false, 1, false},
		{"in use", says(409, "another request with sk_test_123"), event.ErrNoAnswer, false, 3, false},
		{"broken", says(500, "sk_test_123"), event.ErrNoAnswer, false, 1, true},
		{"out of order", says(503, "sk_test_123"), event.ErrNoAnswer, false, 3, false},
		{"no session", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }, event.ErrNoAnswer, true, 1, false},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, event.ErrNoAnswer, false, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, requests := mocked(t, c.answer)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := api.CreateSession(ctx, checkoutRequest("r"), "checkout:pay_1:1")
			if !errors.Is(err, c.want) || event.IsPermanent(err) != c.permanent {
				t.Errorf("%v (permanent %t)", err, event.IsPermanent(err))
			}
			if errors.Is(err, event.ErrAnswered) != c.answered {
				t.Errorf("%v: answered %t", err, !c.answered)
			}
			if err != nil && strings.Contains(err.Error(), "sk_test") {
				t.Errorf("it tells too much: %v", err)
			}
			all := requests()
			if len(all) != c.requests {
				t.Errorf("%d requests, want %d", len(all), c.requests)
			}
			for _, r := range all {
				if r.Idempotency != "checkout:pay_1:1" {
					t.Errorf("a try with the idempotency key %q", r.Idempotency)
				}
			}
		})
	}
}

func says(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","message":"` + message + `"}}`))
	}
}

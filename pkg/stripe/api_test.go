package stripe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/stripe"
	"tillhook/pkg/stripetest"
)

const apiKey = "rk_test_of_the_restaurant"

// keys are API keys by restaurant.
type keys map[string]stripe.Key

func (k keys) APIKey(_ context.Context, restaurantID string) (stripe.Key, error) {
	if key, ok := k[restaurantID]; ok {
		return key, nil
	}
	return stripe.Key{}, event.Permanent(event.ErrNoAPIKey)
}

// double is Stripe with one account, of restaurant r.
func double(t *testing.T, cfg stripe.APIConfig) (*stripetest.API, *stripe.API, *stripetest.Factory) {
	t.Helper()
	there := stripetest.NewAPI()
	there.Key(apiKey)
	server := httptest.NewServer(there)
	cfg.BaseURL = server.URL
	if cfg.Rate == 0 {
		cfg.Rate = 1000
	}
	api := stripe.NewAPI(cfg, keys{
		"r": stripe.NewKey(apiKey, ""), "connected": stripe.NewKey(apiKey, "acct_1"), "wrong": stripe.NewKey("sk_test_hunter2", ""),
	})
	t.Cleanup(func() {
		api.Close()
		server.Close()
	})
	return there, api, stripetest.NewFactory(1, time.Now())
}

func lastHour(restaurantID string) event.Query {
	return event.Query{RestaurantID: restaurantID, Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Minute)}
}

func TestEventsComePageByPageAsTheyAre(t *testing.T) {
	t.Parallel()
	there, api, f := double(t, stripe.APIConfig{})
	sent := map[string][]byte{}
	for range 250 {
		e := f.ChargeSucceeded(f.Payment("r", "o", "p", 2500, "eur"))
		sent[e.ID] = e.Body
		there.Happen(apiKey, e)
	}
	there.Happen(apiKey, f.Other(f.Payment("r", "o", "p", 1, "eur"), "customer.created"), f.ChargeUpdated(f.Payment("r", "o", "p", 1, "eur")))
	broken := stripetest.Event{ID: "evt_broken", Type: "charge.failed", Created: time.Now(), Body: []byte(`{"id": "evt_broken", "type": 1}`)}
	there.Happen(apiKey, broken)
	q, sizes, unreadable := lastHour("r"), []int{}, 0
	for more := true; more; more = q.After != "" {
		page, err := api.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.Heard {
			if !bytes.Equal(bytes.TrimSpace(sent[h.ProviderEventID]), h.Payload) {
				t.Fatalf("%s is not what was sent:\n%s", h.ProviderEventID, h.Payload)
			}
			delete(sent, h.ProviderEventID)
			if h.Type != "charge.succeeded" || h.OccurredAt.IsZero() || h.Hints.OrderID != "o" || h.Hints.RestaurantID != "r" {
				t.Fatalf("read as %+v", h)
			}
		}
		sizes, unreadable, q.After = append(sizes, len(page.Heard)), unreadable+page.Unreadable, page.Next
	}
	if diff := cmp.Diff([]int{99, 100, 51}, sizes); diff != "" || unreadable != 1 || len(sent) != 0 {
		t.Errorf("%d unreadable, %d never came, pages (-want +got)\n%s", unreadable, len(sent), diff)
	}
}

// No error tells the key, or what Stripe has said about it; each says whether
// another attempt is of use.
func TestWhyStripeGivesNoAnswer(t *testing.T) {
	t.Parallel()
	there, api, _ := double(t, stripe.APIConfig{MaxWait: time.Second})
	there.Forbid(apiKey, "/v1/checkout")
	for _, c := range []struct {
		name      string
		prepare   func()
		ask       func() error
		want      error
		permanent bool
	}{
		{"no key", nil, func() error { _, err := api.Events(t.Context(), lastHour("nobody")); return err }, event.ErrNoAPIKey, true},
		{"wrong key", nil, func() error { _, err := api.Events(t.Context(), lastHour("wrong")); return err }, event.ErrAPIKey, true},
		{"not for this key", nil, func() error {
			_, err := api.Payment(t.Context(), event.Lookup{RestaurantID: "r", Session: "cs_1"})
			return err
		}, event.ErrForbidden, true},
		{"not there", nil, func() error {
			_, err := api.Payment(t.Context(), event.Lookup{RestaurantID: "r", Intent: "pi_1"})
			return err
		}, event.ErrNotThere, true},
		{"bad request", func() { there.Fail(1, 400, "") }, func() error { _, err := api.Events(t.Context(), lastHour("r")); return err }, event.ErrNoAnswer, true},
		{"out of order", func() { there.Fail(3, 500, "") }, func() error { _, err := api.Events(t.Context(), lastHour("r")); return err }, event.ErrNoAnswer, false},
		{"too many", func() { there.Fail(1, 429, "3600") }, func() error { _, err := api.Events(t.Context(), lastHour("r")); return err }, event.ErrTooMany, false},
		{"still too many, unasked", nil, func() error { _, err := api.Events(t.Context(), lastHour("r")); return err }, event.ErrTooMany, false},
	} {
		if c.prepare != nil {
			c.prepare()
		}
		err := c.ask()
		if !errors.Is(err, c.want) || event.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v (permanent %t)", c.name, err, event.IsPermanent(err))
			continue
		}
		if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, apiKey) || strings.Contains(text, "permissions") {
			t.Errorf("%s tells too much: %s", c.name, text)
		}
	}
	// Events: wrong key once, bad request once, three times 500, 429 once.
	if n := len(there.Requests("/v1/events")); n != 6 {
		t.Errorf("%d requests, want 6", n)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q", stripe.NewKey("hunter2", ""), stripe.NewKey("hunter2", ""), stripe.NewKey("hunter2", ""), stripe.NewKey("hunter2", ""), stripe.NewKey("hunter2", "")); strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

// A key that was refused is not tried again, for whatever question; another one
// is, at once.
func TestARefusedKeyIsAskedWithOnce(t *testing.T) {
	t.Parallel()
	there := stripetest.NewAPI()
	server := httptest.NewServer(there)
	defer server.Close()
	var mu sync.Mutex
	k := keys{"r": stripe.NewKey("sk_test_wrong", "")}
	api := stripe.NewAPI(stripe.APIConfig{BaseURL: server.URL}, lockedKeys{&mu, k})
	defer api.Close()
	for range 3 {
		if _, err := api.Events(t.Context(), lastHour("r")); !errors.Is(err, event.ErrAPIKey) {
			t.Error(err)
		}
	}
	if n := len(there.Requests("")); n != 1 {
		t.Errorf("%d requests with a wrong key", n)
	}
	there.Key(apiKey)
	k["r"] = stripe.NewKey(apiKey, "")
	if _, err := api.Events(t.Context(), lastHour("r")); err != nil {
		t.Error(err)
	}
}

type lockedKeys struct {
	mu *sync.Mutex
	keys
}

func (l lockedKeys) APIKey(ctx context.Context, id string) (stripe.Key, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys.APIKey(ctx, id)
}

// Whoever is told to wait does so, and so does everybody else.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	there, api, _ := double(t, stripe.APIConfig{})
	there.Fail(1, http.StatusTooManyRequests, "1")
	if _, err := api.Events(t.Context(), lastHour("r")); err != nil {
		t.Error(err)
	}
	there.Fail(1, http.StatusTooManyRequests, "1")
	hasty, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	if _, err := api.Events(hasty, lastHour("r")); !errors.Is(err, event.ErrTooMany) {
		t.Errorf("with less time than Stripe asks for: %v", err)
	}
	if _, err := api.Events(t.Context(), lastHour("r")); err != nil {
		t.Error(err)
	}
	requests := there.Requests("/v1/events")
	if len(requests) != 4 {
		t.Fatalf("%d requests, want 4: each refused one, and its successor", len(requests))
	}
	for _, i := range []int{0, 2} {
		if waited := requests[i+1].At.Sub(requests[i].At); waited < time.Second {
			t.Errorf("after refusal %d asked again within %s", i, waited)
		}
	}
}

func TestServerErrorsAreTriedAgain(t *testing.T) {
	t.Parallel()
	there, api, _ := double(t, stripe.APIConfig{})
	there.Fail(2, http.StatusBadGateway, "")
	if _, err := api.Events(t.Context(), lastHour("r")); err != nil {
		t.Error(err)
	}
	if n := len(there.Requests("")); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestOneRestaurantGetsTenRequestsASecond(t *testing.T) {
	t.Parallel()
	there, api, _ := double(t, stripe.APIConfig{})
	begun := time.Now() // the first request may be long on its way
	for range 6 {
		if _, err := api.Events(t.Context(), lastHour("connected")); err != nil {
			t.Fatal(err)
		}
	}
	requests := there.Requests("")
	if took := requests[5].At.Sub(begun); took < 499*time.Millisecond {
		t.Errorf("six requests within %s", took)
	}
	if requests[0].Account != "acct_1" || requests[0].Key != apiKey {
		t.Errorf("asked as %+v", requests[0])
	}
}

// An answer that doesn't come ends with the asker's patience.
func TestASlowAnswer(t *testing.T) {
	t.Parallel()
	there, api, _ := double(t, stripe.APIConfig{})
	there.Hold(make(chan struct{}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := api.Events(ctx, lastHour("r")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, event.ErrNoAnswer) {
		t.Error(err)
	}
}

// The key goes nowhere else.
func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := stripetest.NewAPI()
	elsewhere.Key(apiKey)
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer server.Close()
	api := stripe.NewAPI(stripe.APIConfig{BaseURL: server.URL}, keys{"r": stripe.NewKey(apiKey, "")})
	defer api.Close()
	if _, err := api.Events(t.Context(), lastHour("r")); !errors.Is(err, event.ErrNoAnswer) {
		t.Error(err)
	}
	if n := len(elsewhere.Requests("")); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestCheckBase(t *testing.T) {
	t.Parallel()
	for base, ok := range map[string]bool{
		"https://api.stripe.com": true, "https://proxy.example:8443/stripe": true,
		"http://127.0.0.1:12111": true, "http://localhost:12111": true, "http://[::1]:80": true,
		"http://api.stripe.com": false, "http://10.0.0.1": false, "api.stripe.com": false, "": false,
		"https://user:pass@api.stripe.com": false, "ftp://localhost": false, "http://localhost.example.com": false,
	} {
		if err := stripe.CheckBase(base); (err == nil) != ok {
			t.Errorf("%s: %v", base, err)
		}
	}
}

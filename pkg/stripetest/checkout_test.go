package stripetest_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASessionIsMadeOnceForEachKey(t *testing.T) {
	t.Parallel()
	s := newTill(t, 0)
	resp, body := s.do("POST", "/v1/checkout/sessions", twoPizzas(), "Idempotency-Key", "k1")
	first := s.session(200, resp, body)
	ends := time.Until(time.Unix(first.Expires, 0))
	want := checkoutObject{
		ID: first.ID, URL: s.url + "/c/pay/" + first.ID, Status: "open", PaymentStatus: "unpaid", Currency: "eur", Reference: "order-1", Total: 2150,
		Expires: first.Expires, Metadata: map[string]string{"restaurantId": "r", "orderId": "order-1", "paymentId": "pay-1"},
	}
	if diff := cmp.Diff(want, first); diff != "" || !strings.HasPrefix(first.ID, "cs_test_") || ends > 24*time.Hour || ends < 23*time.Hour {
		t.Errorf("ends in %s (-want +got)\n%s", ends, diff)
	}
	if diff := cmp.Diff(first, s.look(first.ID)); diff != "" {
		t.Errorf("looked up (-made +got)\n%s", diff)
	}
	resp, again := s.do("POST", "/v1/checkout/sessions", twoPizzas(), "Idempotency-Key", "k1")
	if again != body || resp.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same key made\n%s\nafter\n%s", again, body)
	}
	if other := s.open(); other.ID == first.ID {
		t.Error("without a key, there is no second session")
	}
	changed := twoPizzas()
	changed.Set("line_items[0][quantity]", "3")
	if resp, body := s.do("POST", "/v1/checkout/sessions", changed, "Idempotency-Key", "k1"); resp.StatusCode != 400 || !strings.Contains(body, `"type":"idempotency_error"`) {
		t.Errorf("another request with the same key: %d %s", resp.StatusCode, body)
	}
}

func TestWhatStripeRefusesIsRefused(t *testing.T) {
	t.Parallel()
	s := newTill(t, 0)
	in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	for name, c := range map[string]struct {
		change, value string
		status        int
		says          string
	}{
		"nothing":           {"line_items[1][quantity]", "1", 200, `"status": "open"`},
		"no lines":          {"line_items", "", 400, "line_items"},
		"unknown parameter": {"metdata[x]", "y", 400, "parameter_unknown"},
		"unknown in a line": {"line_items[0][price]", "price_1", 400, "parameter_unknown"},
		"half a pizza":      {"line_items[0][quantity]", "0.5", 400, "parameter_invalid_integer"},
		"nothing of it":     {"line_items[0][quantity]", "0", 400, "parameter_missing"},
		"two currencies":    {"line_items[0][price_data][currency]", "usd", 400, "line_items"},
		"no success_url":    {"success_url", "/thanks", 400, "url_invalid"},
		"no mode":           {"mode", "", 400, "mode"},
		"too short":         {"expires_at", in(29 * time.Minute), 400, "expires_at"},
		"too long":          {"expires_at", in(25 * time.Hour), 400, "expires_at"},
		"long enough":       {"expires_at", in(31 * time.Minute), 200, `"status": "open"`},
		"not a time":        {"expires_at", "tomorrow", 400, "parameter_invalid_integer"},
	} {
		form := twoPizzas()
		form.Set(c.change, c.value)
		if c.change == "line_items" {
			for parameter := range form {
				if strings.HasPrefix(parameter, "line_items") {
					form.Del(parameter)
				}
			}
		}
		if resp, body := s.do("POST", "/v1/checkout/sessions", form); resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	for path, want := range map[string]int{"/v1/checkout/sessions": 401, "/v1/checkout/sessions/cs_test_x/expire": 401} {
		if resp, body := s.do("POST", path, twoPizzas(), "Authorization", "Bearer sk_test_wrong"); resp.StatusCode != want {
			t.Errorf("wrong key: %d %s", resp.StatusCode, body)
		}
	}
	if resp, body := s.do("POST", "/v1/checkout/sessions/cs_test_x/expire", nil); resp.StatusCode != 404 {
		t.Errorf("unknown session: %d %s", resp.StatusCode, body)
	}
}

func TestASessionExpiresOnce(t *testing.T) {
	t.Parallel()
	s := newTill(t, 0)
	made := s.open()
	resp, body := s.do("POST", "/v1/checkout/sessions/"+made.ID+"/expire", nil)
	if got := s.session(200, resp, body); got.Status != "expired" || got.URL != "" || got.Intent != "" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"checkout.session.expired"}, s.types(1)); diff != "" {
		t.Error(diff)
	}
	if resp, body := s.do("POST", "/v1/checkout/sessions/"+made.ID+"/expire", nil); resp.StatusCode != 400 {
		t.Errorf("the second time: %d %s", resp.StatusCode, body)
	}
	if resp, page := s.do("GET", "/c/pay/"+made.ID, nil); !strings.Contains(page, "has expired") || strings.Contains(page, "<form") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
}

package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/stripetest"
)

// For every usual reason why a genuine delivery is refused, the operator reads
// which it was, and the sender nothing.
func TestTheCauseOfARefusalIsFound(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	body := p.factory.CheckoutCompleted(pay).Body
	now := time.Now()
	sign := func(secret string, body []byte) string { return stripetest.Sign(secret, body, now) }
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		t.Fatal(err)
	}
	live := pay.Live()
	liveBody := p.factory.CheckoutCompleted(live).Body
	retire := `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'whsec_of_a_2', "previousWebhookSecretExpiresAt" = now() - interval '1 minute' WHERE "restaurantId" = 'a'`
	for _, c := range []struct {
		cause, setUp, signature string
		body                    []byte
		text                    string
	}{
		{"unsigned", "", "", body, "the delivery has no signature"},
		{"clock_skew", "", stripetest.Sign(p.secrets["a"], body, now.Add(-20*time.Minute)), body, "too old: signed 20m"},
		{"clock_skew", "", stripetest.Sign(p.secrets["a"], body, now.Add(20*time.Minute)), body, "from the future: signed "},
		{"body_altered", "", sign(p.secrets["a"], body), compact.Bytes(), "re-encoded the JSON"},
		{"body_altered", "", sign(p.secrets["a"], body), append(bytes.Clone(body), '\n'), "another line break at its end"},
		{"body_altered", "", sign(p.secrets["a"], body), bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")), "with plain line breaks"},
		{"other_restaurant", "", sign(p.secrets["b"], body), body, "signed with the secret of restaurant b"},
		{"unparsable", "", sign(p.secrets["a"], []byte("{}")), []byte("{}"), "not an event"},
		{"wrong_mode", "", sign("whsec_live_endpoint", liveBody), liveBody, "livemode is not the configuration's"},
		{"unknown", "", sign("whsec_mistyped", body), body, "mistyped"},
		{"retired_secret", retire, sign(p.secrets["a"], body), body, "the old endpoint still delivers"},
		{"api_key", `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'sk_live_pasted' WHERE "restaurantId" = 'a'`,
			sign("whsec_of_the_new_endpoint", body), body, "is an API key"},
		{"no_config", `UPDATE "RestaurantPaymentConfig" SET "isActive" = false WHERE "restaurantId" = 'a'`,
			sign("whsec_of_a_2", body), body, "no active Stripe configuration"},
	} {
		if c.setUp != "" {
			if _, err := p.db.Exec(c.setUp); err != nil {
				t.Fatal(err)
			}
		}
		before := p.refusals(c.cause)
		p.eventually(c.cause+": "+c.text, func() bool {
			got := p.post(endpoint+"/slug-a", c.signature, c.body)
			if got.status == 400 && got.body != refused {
				t.Errorf("%s: the sender is told %s", c.cause, got.body)
			}
			return got.status == 400 &&
				p.rows(`"restaurantId" = 'a' AND "lastError" LIKE '%' || $1 || '%'`, c.text) != "0" &&
				p.refusals(c.cause) > before
		})
	}
}

// refusals reads the counter of one cause.
func (p *product) refusals(cause string) float64 {
	p.Helper()
	var m dto.Metric
	if err := p.metrics.Failures.WithLabelValues(cause).Write(&m); err != nil {
		p.Fatal(err)
	}
	return m.Counter.GetValue()
}

// Behind a trusted proxy the address is the one that it names; from anybody
// else the header is noise.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, trusted string
		limited       bool // the address used by others is limited too
	}{{"nobody is trusted", "", true}, {"the proxy is trusted", "127.0.0.1", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, parts{noWorker: true, env: []string{"TRUSTED_PROXIES=" + c.trusted}})
			// What the sender himself writes stands first, and counts for nothing.
			flood := func(requests int, from string) int {
				return p.flood(requests, http.Header{"X-Forwarded-For": {"203.0.113.99, " + from}})[429]
			}
			if flood(400, "192.0.2.1") == 0 {
				t.Error("the flooding address is never limited")
			}
			if limited := flood(90, "192.0.2.2"); (limited > 0) != c.limited {
				t.Errorf("another address is limited %d times", limited)
			}
		})
	}
}

func TestAllowlist(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true, env: []string{"STRIPE_IP_ALLOWLIST=192.0.2.0/24, 198.51.100.7", "TRUSTED_PROXIES=127.0.0.0/8"}})
	pay := p.newPayments("a", 1)[0]
	for from, want := range map[string]int{"192.0.2.200": 200, "198.51.100.7": 200, "198.51.100.8": 403, "": 403, "nonsense": 403} {
		e := p.factory.Other(pay, "customer.created")
		req, err := http.NewRequest(http.MethodPost, p.base+endpoint, bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Stripe-Signature", stripetest.Sign(p.secrets["a"], e.Body, time.Now()))
		if from != "" {
			req.Header.Set("X-Forwarded-For", from)
		}
		resp, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", from, resp.StatusCode, want)
		}
	}
}

package app_test

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/stripetest"
)

const (
	endpoint = "/api/v1/webhooks/stripe"
	refused  = `{"error":"Webhook signature verification failed"}`
)

// Every row of the contract's table, over real HTTP.
func TestContract(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]

	t.Run("accepted, then a duplicate", func(t *testing.T) {
		e := p.factory.CheckoutCompleted(pay)
		first, second := p.deliver(pay, e), p.deliver(pay, e)
		want := []string{`{"received":true,"id":"` + e.ID + `"}`, `{"received":true,"id":"` + e.ID + `","duplicate":true}`}
		if diff := cmp.Diff(want, []string{first.body, second.body}); diff != "" || first.status != 200 || second.status != 200 {
			t.Errorf("%d, %d (-want +got)\n%s", first.status, second.status, diff)
		}
		if got := p.scalar(`SELECT string_agg(concat_ws(' ', status, provider, "restaurantId", "eventType", "apiVersion", attempts), ';')
			FROM "WebhookEvent" WHERE "providerEventId" = $1`, e.ID); got != "PROCESSING STRIPE a checkout.session.completed 2023-10-16 0" {
			t.Errorf("stored: %s", got)
		}
		if got := p.scalar(`SELECT encode(payload, 'hex') FROM "WebhookEvent" WHERE "providerEventId" = $1`, e.ID); got != hex.EncodeToString(e.Body) {
			t.Error("the stored payload is not what was sent")
		}
	})

	t.Run("the restaurant in the URL, by slug and by id", func(t *testing.T) {
		for _, name := range []string{"slug-a", "a"} {
			e := p.factory.Other(pay, "customer.created")
			if got := p.post(endpoint+"/"+name, stripetest.Sign(p.secrets["a"], e.Body, time.Now()), e.Body); got.status != 200 {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	})

	t.Run("refused deliveries all look the same", func(t *testing.T) {
		e := p.factory.CheckoutExpired(pay)
		unparsable, empty := []byte(`{"id":`), []byte(nil)
		now := time.Now()
		sign := func(body []byte, at time.Time) string { return stripetest.Sign(p.secrets["a"], body, at) }
		for _, c := range []struct {
			name, path, signature string
			body                  []byte
			status                string // of the recorded row
		}{
			{"signed with another's secret", endpoint + "/slug-a", stripetest.Sign(p.secrets["b"], e.Body, now), e.Body, "VERIFICATION_FAILED a"},
			{"no signature", endpoint + "/slug-a", "", e.Body, "VERIFICATION_FAILED a"},
			{"stale", endpoint + "/slug-a", sign(e.Body, now.Add(-301*time.Second)), e.Body, "VERIFICATION_FAILED a"},
			{"from the future", endpoint + "/slug-a", sign(e.Body, now.Add(302*time.Second)), e.Body, "VERIFICATION_FAILED a"},
			{"v0 only", endpoint + "/slug-a", strings.Replace(sign(e.Body, now), "v1=", "v0=", 1), e.Body, "VERIFICATION_FAILED a"},
			{"unparsable", endpoint + "/slug-a", sign(unparsable, now), unparsable, "VERIFICATION_FAILED a"},
			{"empty", endpoint + "/slug-a", sign(empty, now), empty, "VERIFICATION_FAILED a"},
			{"one byte changed", endpoint, sign(e.Body, now), bytes.Replace(e.Body, []byte("2500"), []byte("2501"), 1), "VERIFICATION_FAILED a"},
			{"unknown restaurant", endpoint + "/slug-of-nobody", sign(e.Body, now), e.Body, "NO_CONFIG -"},
		} {
			before := p.scalar(`SELECT coalesce(max(id), '') FROM "WebhookEvent"`)
			got := p.post(c.path, c.signature, c.body)
			if got.status != 400 || got.body != refused {
				t.Errorf("%s: %d %s", c.name, got.status, got.body)
			}
			p.eventually("a row for: "+c.name, func() bool {
				return p.rows(`id > $1 AND concat_ws(' ', status, coalesce("restaurantId", '-')) = $2 AND "dedupeKey" IS NULL AND "lastError" <> ''`, before, c.status) == "1"
			})
		}
		// None of them has taken the genuine event's place.
		if got := p.deliver(pay, e); got.body != `{"received":true,"id":"`+e.ID+`"}` {
			t.Errorf("the genuine event: %d %s", got.status, got.body)
		}
	})

	t.Run("what the operators' guide posts by hand", func(t *testing.T) {
		got := p.post(endpoint, "", []byte(`{"type": "test"}`))
		if got.status != 400 || got.body != refused || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
			t.Errorf("%d %s %s", got.status, got.header.Get("Content-Type"), got.body)
		}
	})

	t.Run("too large, and just not", func(t *testing.T) {
		e := p.factory.Other(pay, "customer.created")
		fill := func(size int) []byte {
			return append(bytes.Repeat([]byte(" "), size-len(e.Body)), e.Body...)
		}
		for size, want := range map[int]int{1 << 20: 200, 1<<20 + 1: 413} {
			body := fill(size)
			if got := p.post(endpoint, stripetest.Sign(p.secrets["a"], body, time.Now()), body); got.status != want {
				t.Errorf("%d bytes: %d %s, want %d", size, got.status, got.body, want)
			}
		}
		// A sender that doesn't say how much is coming is stopped while reading.
		req, err := http.NewRequest(http.MethodPost, p.base+endpoint, struct{ *bytes.Reader }{bytes.NewReader(fill(1<<20 + 1))})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("chunked: %d", resp.StatusCode)
		}
	})

	t.Run("wrong method, wrong path", func(t *testing.T) {
		for path, want := range map[string]int{endpoint: 405, endpoint + "/slug-a": 405, "/": 404} {
			if got := p.get(path); got.status != want || !strings.HasPrefix(got.body, `{"error":"`) {
				t.Errorf("GET %s: %d %s, want %d", path, got.status, got.body, want)
			}
		}
	})

	t.Run("other methods, and what every answer says to browsers", func(t *testing.T) {
		for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "HEAD"} {
			got := p.do(method, endpoint, "", nil)
			if got.status != 405 || got.header.Get("X-Content-Type-Options") != "nosniff" ||
				got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %d %v", method, got.status, got.header)
			}
		}
	})

	t.Run("health", func(t *testing.T) {
		if got := p.get("/health"); got.status != 200 || got.body != `{"status":"ok"}` {
			t.Errorf("%d %s", got.status, got.body)
		}
		got := p.get("/api/health/webhooks")
		if got.status != 200 || !strings.HasPrefix(got.body, `{"stripe":{"configured":true,"lastSuccessfulWebhook":null,"recentFailures":`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

// A restaurant that can't be verified for is answered as one that isn't there.
func TestNoUsableConfiguration(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	for _, c := range []struct{ name, set, want string }{
		{"inactive", `"isActive" = false`, "NO_CONFIG a no active Stripe configuration"},
		{"empty secret", `"isActive" = true, "webhookSecret" = ''`, "NO_CONFIG a the configuration has no signing secret"},
		{"another provider", `provider = 'PAYPAL', "webhookSecret" = 'whsec_of_a'`, "NO_CONFIG a no active Stripe configuration"},
		{"sealed under another key", `provider = 'STRIPE', "webhookSecret" = 'v1:' || repeat('QUJD', 20)`, "VERIFICATION_FAILED a the signing secret can't be opened"},
	} {
		if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET ` + c.set + ` WHERE "restaurantId" = 'a'`); err != nil {
			t.Fatal(err)
		}
		// The change reaches ingest by a notification. Until then the old
		// secret verifies, which also proves that it is the change that counts.
		p.eventually(c.name, func() bool {
			got := p.deliver(pay, e)
			return got.status == 400 && got.body == refused &&
				p.rows(`concat_ws(' ', status, "restaurantId", "lastError") LIKE $1 || '%'`, c.want) != "0"
		})
	}
}

// Signing with the empty key is something that anyone can do.
func TestEmptySecretVerifiesNothing(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	e := p.factory.CheckoutCompleted(p.newPayments("a", 1)[0])
	if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = NULL`); err != nil {
		t.Fatal(err)
	}
	p.eventually("the secrets are gone", func() bool {
		return strings.Contains(p.get("/api/health/webhooks").body, `"configured":false`)
	})
	for _, path := range []string{endpoint, endpoint + "/slug-a"} {
		if got := p.post(path, stripetest.Sign("", e.Body, time.Now()), e.Body); got.status != 400 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestTooManyFailuresFromOneAddress(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	statuses := p.flood(400, nil)
	if statuses[429] == 0 || statuses[400] == 0 || statuses[400]+statuses[429] != 400 {
		t.Fatalf("answers: %v", statuses)
	}
	var limited answer
	p.eventually("limited", func() bool {
		p.flood(100, nil)
		limited = p.post(endpoint, "t=1,v1=00", []byte(`{}`))
		return limited.status == 429
	})
	if wait, err := strconv.Atoi(limited.header.Get("Retry-After")); err != nil || wait < 1 {
		t.Errorf("Retry-After: %q", limited.header.Get("Retry-After"))
	}
	for range 50 {
		if got := p.deliver(pay, p.factory.Other(pay, "customer.created")); got.status != 200 {
			t.Fatalf("signed traffic from the same address: %d %s", got.status, got.body)
		}
	}
}

// Anyone can send what can't be verified; it must not fill the disk.
func TestRecordedFailuresAreCapped(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	body := []byte(`{"id":"evt_1","type":"x","created":1,"pad":"` + strings.Repeat("x", 10_000) + `"}`)
	for range 90 {
		p.post(endpoint+"/slug-a", "t=1,v1=00", body)
	}
	p.eventually("the writer is done", func() bool { return p.count(`status = 'VERIFICATION_FAILED'`) >= 60 })
	if got := p.scalar(`SELECT (count(*) <= 62 AND max(length(payload)) <= 4096)::text FROM "WebhookEvent"`); got != "true" {
		t.Errorf("%s rows of up to %s bytes", p.rows("true"), p.scalar(`SELECT max(length(payload))::text FROM "WebhookEvent"`))
	}
}

func TestPostgresAway(t *testing.T) {
	t.Parallel()
	pg := devstack.OwnPostgres(t)
	p := start(t, parts{databaseURL: pg.URL})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		started := time.Now()
		got := p.deliver(pay, e)
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("the 503 took %s", took)
		}
	}
	p.eventually("health says so", func() bool { return p.get("/health").status == 503 })
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.eventually("accepted again", func() bool { return p.deliver(pay, e).status == 200 })
	p.eventually("and paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
}

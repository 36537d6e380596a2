package app_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
)

// How one restaurant fares: on the private addresses, and in the panel. The
// third place, ops doctor --restaurant, has a test of its own.
func TestHealthByRestaurant(t *testing.T) {
	t.Parallel()
	p := prepare(t, parts{})
	public, private, fleet := freePort(t), freePort(t), freePort(t)
	p.launch("ingest", "PORT="+public, "METRICS_ADDR=127.0.0.1:"+private)
	p.launch("worker", "METRICS_ADDR=127.0.0.1:"+fleet)
	p.base = "http://127.0.0.1:" + public
	p.eventually("ingest answers", func() bool { return p.get("/health").status == 200 })
	desk := p.panel()
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatal(got)
	}
	p.secrets["a"] = "whsec_wrong"
	for range 2 {
		if got := p.deliver(pay, p.factory.ChargeSucceeded(pay)); got.status != 400 {
			t.Fatal(got)
		}
	}
	ask := func(port string) (h event.RestaurantHealth) {
		t.Helper()
		status, body := p.privately(port, "/health/restaurants/slug-a")
		if err := json.Unmarshal([]byte(body), &h); status != 200 || err != nil {
			t.Fatalf("%d %s", status, body)
		}
		return h
	}
	p.eventually("both failures are stored, and the order is paid", func() bool {
		return p.rows(`status = 'VERIFICATION_FAILED'`) == "2" && p.states(pay) == "PAID / COMPLETED"
	})
	for _, port := range []string{private, fleet} {
		h := ask(port)
		for _, at := range []*time.Time{h.LastDelivery, h.LastSuccess, &h.ReadAt} {
			if at == nil || time.Since(*at).Abs() > time.Minute {
				t.Errorf("%+v", h)
			}
		}
		failures := 0
		for _, f := range h.Failures {
			failures += f.Events
		}
		h.LastDelivery, h.LastSuccess, h.ReadAt, h.Failures = nil, nil, time.Time{}, nil
		if diff := cmp.Diff(event.RestaurantHealth{Restaurant: "slug-a", LastMatched: "current"}, h); diff != "" || failures != 2 {
			t.Errorf("%d failures, (-want +got)\n%s", failures, diff)
		}
		if status, body := p.privately(port, "/health/restaurants/nobody"); status != 404 {
			t.Errorf("%d %s", status, body)
		}
	}
	if got := p.get("/health/restaurants/slug-a"); got.status != 404 {
		t.Errorf("the public is told: %d %s", got.status, got.body)
	}
	b := desk.signedIn("vito@example.com")
	b.open("/admin/settings/payments/slug-a")
	b.shows(200, "too few deliveries in two weeks to tell", "signed with the current secret", "no secret of the restaurant matches the signature", "VERIFICATION_FAILED")

	// An hour each, until ten hours ago; and one that nobody works off.
	p.exec(`UPDATE "WebhookEvent" SET "createdAt" = now() - interval '20 hours 20 min' WHERE status = 'COMPLETED'`)
	p.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey", "signedWith")
		SELECT 'n' || n, 'x', 'COMPLETED', 'a', '', now(), now() - n * interval '1 hour' - interval '20 min', 'n' || n, 'previous' FROM generate_series(9, 60) n`)
	h := ask(private)
	if !h.Silent || h.LongestGap < 3500 || h.LongestGap > 3700 || h.Patience != 6*3600 || h.LastMatched != "previous" {
		t.Errorf("%+v", h)
	}
	b.open("/admin/settings/payments/slug-a")
	b.shows(200, "There has been no delivery for 9 h", "none for more than 60 min", "signed with the one before", "silence begins after 6 h")
}

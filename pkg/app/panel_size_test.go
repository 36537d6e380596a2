package app_test

import (
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

var panelEvents = flag.Int("panel.events", 50_000, "how many stored events TestPanelPagesAreQuick has, ten of each order")

// panelBudget is how long the server may take for a page. It is asked for only
// with as many events as it is promised for, on a machine that does nothing else.
const panelBudget = 50 * time.Millisecond

// visits is how often each page is opened.
const visits = 5

// However many events there are, no page goes through all of them.
//
//	go test ./pkg/app -run PanelPagesAreQuick -panel.events 1000000 -v -timeout 20m
func TestPanelPagesAreQuick(t *testing.T) {
	p := prepare(t, parts{}) // not parallel: it is timed
	p.fill(*panelEvents)
	before := p.eventsRead()
	t.Run("visit", func(t *testing.T) {
		q := *p
		q.T = t
		visitor := q.panel()
		b := visitor.signedIn("anna@example.com")
		for _, path := range []string{
			"/admin", "/admin/events", "/admin/events?status=FAILED", "/admin/events?status=PROCESSING", "/admin/events?status=NO_CONFIG",
			"/admin/events?status=COMPLETED&restaurant=slug-a", "/admin/events?restaurant=slug-b", "/admin/events?order=big-77",
			"/admin/events?type=charge.*", "/admin/events?type=no.such.type", "/admin/events?type=no.such.type&restaurant=slug-a", "/admin/events?id=evt_big_4711",
			"/admin/events?since=2020-01-01T00:00&until=2020-01-02T00:00",
			"/admin/events?before=" + url.QueryEscape(time.Now().Add(-10*24*time.Hour).UTC().Format(time.RFC3339Nano)) + "&beforeId=x",
			fmt.Sprintf("/admin/events/e-%d", *panelEvents-1), "/admin/orders", "/admin/orders?status=REFUNDED", "/admin/orders?restaurant=slug-b&status=PAID", "/admin/orders?status=stuck",
			"/admin/orders/big-77", "/admin/settings/payments", "/admin/settings/payments/slug-a", "/admin/audit", "/admin/audit?restaurant=slug-a",
		} {
			var took []time.Duration
			for range visits {
				started := time.Now()
				b.open(path)
				took = append(took, time.Since(started))
				b.shows(200)
			}
			slices.Sort(took)
			t.Logf("%6.1f ms  %s", float64(took[visits/2].Microseconds())/1000, path)
			if took[visits/2] > panelBudget && *panelEvents >= 1_000_000 {
				t.Errorf("%s took %s", path, took[visits/2])
			}
		}
	})
	// The panel's connections are closed, so that the server has counted theirs.
	p.eventually("the server has counted the panel's statements", func() bool {
		return p.scalar(`SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tillhook admin'`) == "0"
	})
	// Each search by type may look through 10,000; the overview reads a day.
	read, allowed := p.eventsRead()-before, int64(3*visits*10_000+*panelEvents/10+40_000)
	t.Logf("%d rows of events were read, %d may be", read, allowed)
	if read > allowed {
		t.Errorf("a page went through all events: %d rows were read, %d may be", read, allowed)
	}
}

// eventsRead is how many rows of events the server has read so far, in order or
// through an index.
func (p *product) eventsRead() (n int64) {
	p.Helper()
	if err := p.db.Get(&n, `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables WHERE relname LIKE 'WebhookEvent%'`); err != nil {
		p.Fatal(err)
	}
	return n
}

// fill stores n events of the last twenty days, ten of each order, nearly all of
// them worked off.
func (p *product) fill(n int) {
	p.Helper()
	payload := `{"id":"evt_big","object":"event","data":{"object":{"id":"ch_1","billing_details":{"email":"a@example.com"},"filler":"` + strings.Repeat("x1y2 ", 60) + `"}}}`
	const chunk = 20_000
	for first := 0; first < n; first += chunk {
		last := min(n, first+chunk) - 1
		for _, statement := range []string{
			`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
				SELECT 'big-' || i, CASE WHEN i % 1000 = 7 THEN 'b' ELSE 'a' END, CASE WHEN i % 500 = 3 THEN 'PAYMENT_PENDING' ELSE 'PAID' END, 2500, 'eur',
					now() - make_interval(secs => (1 - i * 10.0 / $3) * 1728000) FROM generate_series($1::int / 10, $2::int / 10) i WHERE $4::text <> ''`,
			`INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
				SELECT 'pay-' || i, 'big-' || i, 'STRIPE', CASE WHEN i % 500 = 3 THEN 'PENDING' ELSE 'COMPLETED' END, 'cs_test_' || i, 2500, 'eur'
				FROM generate_series($1::int / 10, $2::int / 10) i WHERE $3::int > 0 AND $4::text <> ''`,
			`INSERT INTO "WebhookEvent" (id, "providerEventId", "dedupeKey", "eventType", status, outcome, "lastError", "restaurantId", livemode, payload, "occurredAt",
					"createdAt", "processedAt", attempts, "signedWith", "orderId")
				SELECT 'e-' || i, 'evt_big_' || i, 'evt_big_' || i, (ARRAY['charge.succeeded', 'checkout.session.completed', 'payment_intent.succeeded', 'charge.refunded'])[1 + i % 4],
					CASE WHEN i % 5000 = 9 THEN 'FAILED' WHEN i % 9000 = 11 THEN 'PROCESSING' ELSE 'COMPLETED' END, 'applied', NULL,
					CASE WHEN i / 10 % 1000 = 7 THEN 'b' ELSE 'a' END, false, convert_to($4, 'UTF8'), at, at, at + interval '40 milliseconds', 1, 'current', 'big-' || i / 10
				FROM (SELECT i, now() - make_interval(secs => (1 - i * 1.0 / $3) * 1728000) AS at FROM generate_series($1::int, $2::int) i) AS s`,
		} {
			if _, err := p.db.Exec(statement, first, last, n, payload); err != nil {
				p.Fatalf("%s: %v", statement, err)
			}
		}
	}
	for _, table := range []string{"WebhookEvent", "Order", "Payment", "PaymentObject"} {
		p.exec(`ANALYZE "` + table + `"`)
	}
}

package app_test

import (
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"tillhook/pkg/stripetest"
)

var auditEvents = flag.Int("audit.events", 20_000, "how many stored events TestAuditMemoryIsBounded audits")

// However many events there are, an audit holds a few pages of them.
//
//	go test ./pkg/app -run AuditMemory -audit.events 1000000 -v
func TestAuditMemoryIsBounded(t *testing.T) {
	p := start(t, parts{}) // not parallel: others' memory would count
	pay := p.newPayments("a", 1)[0]
	story := []stripetest.Event{
		p.factory.CheckoutCompleted(pay), p.factory.ChargeSucceeded(pay), p.factory.IntentSucceeded(pay), p.factory.ChargeRefunded(pay, 1000),
	}
	for _, e := range story {
		if got := p.deliver(pay, e); got.status != 200 {
			t.Fatal(got)
		}
	}
	p.eventually("the first order is refunded in part", func() bool { return p.states(pay) == "PAID / PARTIALLY_REFUNDED" })
	orders := *auditEvents / len(story)
	p.multiply(pay, orders-1)

	var peak atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	before := heap()
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc))
			}
		}
	}()
	started := time.Now()
	a, code := p.audit()
	took := time.Since(started)
	close(stop)
	<-done
	if code != 0 || a.Orders != orders || a.Events != orders*len(story) || a.Received["eur"] != int64(orders)*2500 || a.Refunded["eur"] != int64(orders)*1000 {
		t.Errorf("exit %d: %+v", code, a)
	}
	grown := (float64(peak.Load()) - float64(before)) / (1 << 20)
	if grown > 64 {
		t.Errorf("the heap grew by %.0f MiB", grown)
	}
	t.Logf("%d events of %d orders in %s, %.0f events/s; the heap grew by %.0f MiB", a.Events, a.Orders,
		took.Round(time.Millisecond), float64(a.Events)/took.Seconds(), grown)
}

// multiply stores n more orders that are like pay's in all but their ids.
func (p *product) multiply(pay stripetest.Payment, n int) {
	p.Helper()
	// Every id gets the copy's number, wherever it stands.
	in := func(text string) string {
		for _, id := range []string{"$1::text", "$2::text", "$3::text", "$4::text", "$5::text", "'evt_1'"} {
			text = fmt.Sprintf("replace(%s, %s, %s || 'x' || i)", text, id, id)
		}
		return text
	}
	const chunk = 2000 // each statement has to end within the product's timeout
	for first := 1; first <= n; first += chunk {
		p.copies(pay, in, first, min(n, first+chunk-1))
		if first == 1 { // as the server does by itself, sooner or later
			if _, err := p.db.Exec(`ANALYZE`); err != nil {
				p.Fatal(err)
			}
		}
	}
}

func (p *product) copies(pay stripetest.Payment, in func(string) string, first, last int) {
	p.Helper()
	for _, statement := range []string{
		`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
			SELECT ` + in("o.id") + `, "restaurantId", status, "totalAmount", currency FROM "Order" o, generate_series($6::int, $7::int) i WHERE o.id = $1`,
		`INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency, livemode, facts, "amountRefunded")
			SELECT ` + in("p.id") + `, ` + in(`p."orderId"`) + `, provider, status, ` + in(`p."providerPaymentId"`) + `, amount, currency, livemode, ` +
			in("p.facts::text") + `::jsonb, "amountRefunded" FROM "Payment" p, generate_series($6::int, $7::int) i WHERE p."orderId" = $1`,
		`INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
			SELECT "restaurantId", ` + in(`l."objectId"`) + `, ` + in(`l."paymentId"`) + ` FROM "PaymentObject" l, generate_series($6::int, $7::int) i
			WHERE l."paymentId" = $2 ON CONFLICT DO NOTHING`,
		`INSERT INTO "WebhookEvent" (id, "providerEventId", "dedupeKey", "eventType", status, outcome, "restaurantId", "apiVersion", livemode, payload, "occurredAt",
				attempts, "processedAt", "signedWith", "orderId")
			SELECT id || 'x' || i, ` + in(`e."providerEventId"`) + `, ` + in(`e."dedupeKey"`) + `, "eventType", status, outcome, "restaurantId", "apiVersion", livemode,
				convert_to(` + in(`convert_from(e.payload, 'UTF8')`) + `, 'UTF8'), "occurredAt", attempts, "processedAt", "signedWith", ` + in(`e."orderId"`) + `
			FROM "WebhookEvent" e, generate_series($6::int, $7::int) i WHERE e."orderId" = $1`,
	} {
		if _, err := p.db.Exec(statement, pay.OrderID, pay.PaymentID, pay.Session, pay.Intent, pay.Charge, first, last); err != nil {
			p.Fatalf("%s: %v", statement, err)
		}
	}
}

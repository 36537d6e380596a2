package app_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/stripetest"
)

// restaurantKey is the API key of restaurant a, where it has one.
const restaurantKey = "rk_test_of_restaurant_a_hunter2"

// asking starts a product that asks a double of Stripe. Restaurant a has an
// account there, but no key yet.
func asking(t *testing.T, env ...string) (*product, *stripetest.API) {
	t.Helper()
	there := stripetest.NewAPI()
	there.Key(restaurantKey)
	server := httptest.NewServer(there)
	t.Cleanup(server.Close)
	p := start(t, parts{env: append([]string{"STRIPE_API_BASE=" + server.URL, "STRIPE_API_RATE=1000"}, env...)})
	t.Cleanup(func() {
		if strings.Contains(p.logs.String(), "hunter2") {
			t.Error("an API key is in the log")
		}
	})
	return p, there
}

// giveKey stores a's API key as an operator's SQL does.
func (p *product) giveKey(key string) {
	p.Helper()
	if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET "secretKey" = $1 WHERE "restaurantId" = 'a'`, key); err != nil {
		p.Fatal(err)
	}
}

// auditIsClean folds what is stored anew: no event that Stripe was asked for may
// need Stripe again.
func (p *product) auditIsClean() {
	p.Helper()
	if a, code := p.audit(); code != 0 {
		p.Errorf("the audit exits with %d: %+v", code, a)
	}
}

// age makes an order older.
func (p *product) age(pay stripetest.Payment, ago string) {
	p.Helper()
	if _, err := p.db.Exec(`UPDATE "Order" SET "createdAt" = now() - $2::interval WHERE id = $1`, pay.OrderID, ago); err != nil {
		p.Fatal(err)
	}
}

// An event that was never delivered is found, stored once, and worked off like
// any other.
func TestBackfillFindsWhatWasNeverDelivered(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=1s")
	past := stripetest.NewFactory(uint64(time.Now().UnixNano()), time.Now().Add(-10*time.Minute))
	pays, others := p.newPayments("a", 3), p.newPayments("b", 1)
	missed, delivered, expired := past.CheckoutCompleted(pays[0]), past.CheckoutCompleted(pays[1]), past.CheckoutExpired(pays[2])
	there.Happen(restaurantKey, missed, delivered, expired,
		past.CheckoutCompleted(others[0]),             // b's, of an account that both use
		past.Other(pays[0], "payment_intent.created")) // means nothing
	if got := p.deliver(pays[1], delivered); got.status != 200 {
		t.Fatal(got)
	}
	p.giveKey(" " + restaurantKey + "\n")
	p.eventually("the missed event pays the order", func() bool { return p.states(pays[0]) == "PAID / COMPLETED" })
	p.eventually("all are worked off", func() bool { return p.rows(`status <> 'COMPLETED'`) == "0" })
	want := strings.Join([]string{
		"checkout.session.completed backfill unsigned applied", "checkout.session.completed webhook current applied",
		"checkout.session.expired backfill unsigned applied",
	}, "; ")
	p.eventually("the expired one is there", func() bool { return p.states(pays[2]) == "EXPIRED / EXPIRED" })
	if got := p.scalar(`SELECT string_agg(concat_ws(' ', "eventType", source, coalesce("signedWith", 'unsigned'), outcome), '; ' ORDER BY "eventType", source) FROM "WebhookEvent"`); got != want {
		t.Errorf("stored:\n%s\nwant:\n%s", got, want)
	}
	if got := p.deliver(pays[0], missed); !strings.Contains(got.body, `"duplicate":true`) {
		t.Errorf("delivered after all: %d %s", got.status, got.body)
	}
	if got := p.states(others[0]); got != "PAYMENT_PENDING / PENDING" {
		t.Errorf("the other restaurant's order is %s", got)
	}
	if got := p.scalar(`SELECT "secretKey" FROM "RestaurantPaymentConfig" WHERE "restaurantId" = 'a'`); !strings.HasPrefix(got, "v1:") {
		t.Error("the key is still in the clear")
	}
	if got := p.scalar(`SELECT string_agg(concat_ws(' ', actor, action, detail), '; ') FROM "AuditEntry" WHERE action LIKE 'seal%'`); got != "tillhook seal the API key secretKey" {
		t.Errorf("audit: %s", got)
	}
	if got := p.scalar(`SELECT concat_ws(' ', stored, "lastError") FROM "BackfillCursor" WHERE kind = 'periodic'`); got != "2" {
		t.Errorf("the cursor says %s", got)
	}
	if n := len(there.Requests("/v1/events")); n < 70 {
		t.Errorf("%d requests: the first turn looks at 72 hours", n)
	}
	p.auditIsClean()
}

// A key that Stripe refuses is said and noted once, and not tried over and over.
func TestAWrongKeyIsNotHammered(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=50ms", "RECONCILE_AFTER=1s", "RECONCILE_INTERVAL=50ms")
	pay := p.newPayments("a", 1)[0]
	p.age(pay, "1 hour")
	p.giveKey("sk_test_wrong_hunter2")
	p.eventually("it is noted", func() bool {
		return strings.Contains(p.scalar(`SELECT max("lastError") FROM "BackfillCursor"`), "the restaurant's API key is not accepted")
	})
	before := p.scalar(`SELECT max("lastRunAt")::text FROM "BackfillCursor"`)
	turns := 0
	p.eventually("several turns are over", func() bool {
		now := p.scalar(`SELECT max("lastRunAt")::text FROM "BackfillCursor"`)
		if now != before {
			before, turns = now, turns+1
		}
		return turns >= 5 && p.scalar(`SELECT max(looks)::text FROM "OrderLookup"`) != ""
	})
	if n := len(there.Requests("")); n > 2 { // the roles may both ask before either knows
		t.Errorf("%d requests with a refused key", n)
	}
	if n := strings.Count(p.logs.String(), "Stripe can't be asked for missed events"); n != 1 {
		t.Errorf("said %d times", n)
	}
	// A new key is tried at once.
	there.Happen(restaurantKey, stripetest.NewFactory(1, time.Now().Add(-10*time.Minute)).CheckoutCompleted(pay))
	if out, err := p.ops(restaurantKey, "secrets", "set-api-key", "slug-a", "--stdin", "--commit"); err != nil || strings.Contains(out, "hunter2") {
		t.Fatal(out, err)
	}
	p.eventually("the order is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	if got := p.scalar(`SELECT max("lastError") FROM "BackfillCursor"`); got != "" {
		t.Errorf("the fault is still noted: %s", got)
	}
}

// What Stripe has of orders that stay pending settles them, through the same
// rules as events; what it doesn't explain stays, and is listed.
func TestReconcileSettlesPendingOrders(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_AFTER=30m", "RECONCILE_INTERVAL=100ms")
	pays := p.newPayments("a", 7)
	paid, open, wrong, expired, unknown, young, returned := pays[0], pays[1], pays[2], pays[3], pays[4], pays[5], pays[6]
	cheap := wrong
	cheap.Amount = 1
	for _, e := range []stripetest.Event{
		p.factory.CheckoutCompleted(paid), p.factory.IntentSucceeded(paid), p.factory.ChargeSucceeded(paid),
		p.factory.CheckoutOpen(open), p.factory.CheckoutCompleted(cheap), p.factory.IntentSucceeded(cheap), p.factory.CheckoutExpired(expired),
		p.factory.CheckoutCompleted(young), p.factory.IntentSucceeded(young),
		p.factory.CheckoutCompleted(returned), p.factory.IntentSucceeded(returned), p.factory.ChargeRefunded(returned, returned.Amount),
	} {
		there.Put(restaurantKey, e)
	}
	for _, pay := range pays {
		if pay != young {
			p.age(pay, "1 hour")
		}
	}
	p.giveKey(restaurantKey)
	states := func() map[string]string {
		return map[string]string{"paid": p.states(paid), "open": p.states(open), "wrong": p.states(wrong), "expired": p.states(expired),
			"unknown": p.states(unknown), "young": p.states(young), "returned": p.states(returned)}
	}
	want := map[string]string{"paid": "PAID / COMPLETED", "open": "PAYMENT_PENDING / PENDING", "wrong": "PAYMENT_PENDING / REVIEW",
		"expired": "EXPIRED / EXPIRED", "unknown": "PAYMENT_PENDING / PENDING", "young": "PAYMENT_PENDING / PENDING", "returned": "REFUNDED / REFUNDED"}
	p.eventually("all are where they must be", func() bool { return cmp.Equal(want, states()) })
	p.eventually("what is unexplained was looked up again", func() bool {
		return p.scalar(`SELECT min(looks) >= 3 FROM "OrderLookup" WHERE "orderId" IN ($1, $2)`, open.OrderID, unknown.OrderID) == "true"
	})
	if diff := cmp.Diff(want, states()); diff != "" {
		t.Errorf("in the end (-want +got)\n%s", diff)
	}
	if n := p.rows(`source = 'reconcile' AND "signedWith" IS NULL`); n != p.rows("true") || n != "5" {
		t.Errorf("%s events, want 5: one for each that is settled, and the refund", n)
	}
	if n := len(there.Requests("/v1/checkout/sessions/" + young.Session)); n != 0 {
		t.Error("an order was looked up before its time")
	}

	out, err := p.ops("", "orders", "stuck")
	for _, want := range []string{open.OrderID, "the session is open until", unknown.OrderID, "no such object at Stripe", wrong.OrderID,
		"money came, but not what the order asked for", open.Session[:20]} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in:\n%s", err, want, out)
		}
	}
	if strings.Contains(out, young.OrderID) || strings.Contains(out, paid.OrderID) {
		t.Errorf("lists what is not stuck:\n%s", out)
	}
	p.auditIsClean()
}

// A thin event is answered at once and settled later, by what Stripe has of its
// object.
func TestThinEventsAreFollowed(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	pays := p.newPayments("a", 3)
	thin := func(pay stripetest.Payment) stripetest.Event {
		there.Put(restaurantKey, p.factory.ChargeSucceeded(pay))
		return p.factory.ThinEvent("v1.charge.succeeded", "charge", pay.Charge)
	}
	deliver := func(pay stripetest.Payment, e stripetest.Event) {
		t.Helper()
		if got := p.post(endpoint+"/slug-a", stripetest.Sign(p.secrets["a"], e.Body, time.Now()), e.Body); got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	stored := func(e stripetest.Event) string {
		return p.scalar(`SELECT concat_ws(' ', status, outcome, "lastError") FROM "WebhookEvent" WHERE "providerEventId" = $1`, e.ID)
	}
	// Without a key: FAILED with what to do, but only where something is lost.
	keyless := thin(pays[0])
	deliver(pays[0], keyless)
	meter := p.factory.ThinEvent("v1.billing.meter.error_report_triggered", "charge", "ch_1")
	deliver(pays[0], meter)
	p.eventually("both are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if got := stored(keyless); !strings.HasPrefix(got, "FAILED") || !strings.Contains(got, "has no API key") || !strings.Contains(got, "ops secrets set-api-key") {
		t.Errorf("without a key: %s", got)
	}
	if got := stored(meter); got != "COMPLETED ignored" {
		t.Errorf("of a type that means nothing: %s", got)
	}

	// With one, while Stripe is slow, then wants peace.
	p.giveKey(restaurantKey)
	slow := make(chan struct{})
	there.Hold(slow)
	there.Fail(1, 429, "1")
	second := thin(pays[1])
	deliver(pays[1], second) // the answer doesn't wait for Stripe's
	p.eventually("the object is asked for", func() bool { return len(there.Requests("/v1/charges/"+pays[1].Charge)) == 1 })
	if got := stored(second); got != "PROCESSING" {
		t.Errorf("while Stripe thinks: %s", got)
	}
	close(slow)
	p.eventually("the order is paid", func() bool { return p.states(pays[1]) == "PAID / COMPLETED" })
	if got := stored(second); got != "COMPLETED applied" {
		t.Errorf("afterwards: %s", got)
	}
	if got := p.scalar(`SELECT concat_ws(' ', "eventType", source, status, outcome) FROM "WebhookEvent" WHERE "providerEventId" = 'fetched_' || $1`, second.ID); got != "charge.succeeded reconcile COMPLETED applied" {
		t.Errorf("what was fetched: %s", got)
	}
	asked := there.Requests("/v1/charges/" + pays[1].Charge)
	if len(asked) != 2 || asked[1].At.Sub(asked[0].At) < time.Second {
		t.Errorf("asked %d times", len(asked))
	}

	// The failed one is mended by a replay; so is one of an object that was not there.
	early := p.factory.ThinEvent("v1.charge.succeeded", "charge", pays[2].Charge)
	deliver(pays[2], early)
	p.eventually("it is FAILED", func() bool { return strings.Contains(stored(early), "no such object at Stripe") })
	there.Put(restaurantKey, p.factory.ChargeSucceeded(pays[2]))
	if _, err := p.opsWithRedis("events", "replay", "--status", "FAILED", "--commit"); err != nil {
		t.Fatal(err)
	}
	p.eventually("both orders are paid", func() bool {
		return p.states(pays[0]) == "PAID / COMPLETED" && p.states(pays[2]) == "PAID / COMPLETED"
	})
	// Once more: nothing is stored or done twice.
	before := p.rows("true")
	if _, err := p.opsWithRedis("events", "replay", keyless.ID, "--commit"); err != nil {
		t.Fatal(err)
	}
	p.eventually("it is done again", func() bool { return stored(keyless) == "COMPLETED no_change" })
	if after := p.rows("true"); after != before {
		t.Errorf("%s events, %s before", after, before)
	}
	p.auditIsClean()
}

package app_test

import (
	"strings"
	"testing"

	"tillhook/pkg/stripetest"
)

// The ordering application has rules of its own, as triggers of its tables. An
// order that they refuse to have PAID is that event's trouble: it is FAILED and
// says why, its neighbours in the batch are settled, and a replay does the rest
// when somebody has changed their mind.
func TestAnOrderThatATriggerRefusesCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pays := p.newPayments("a", 60)
	refused := pays[7]
	p.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the kitchen is closed'; END $$`)
	p.exec(`CREATE TRIGGER refuse BEFORE UPDATE ON "Order" FOR EACH ROW WHEN (NEW.id = '` + refused.OrderID + `') EXECUTE FUNCTION refuse()`)
	for _, pay := range pays {
		p.deliver(pay, p.factory.CheckoutCompleted(pay))
	}
	p.eventually("all are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if got := p.scalar(`SELECT "lastError" FROM "WebhookEvent" WHERE status = 'FAILED'`); !strings.Contains(got, "the kitchen is closed") || p.states(refused) != "PAYMENT_PENDING / PENDING" {
		t.Errorf("the refused one is %s: %s", p.states(refused), got)
	}
	p.exec(`DROP TRIGGER refuse ON "Order"`)
	if _, err := p.opsWithRedis("events", "replay", "--status", "FAILED", "--commit"); err != nil {
		t.Fatal(err)
	}
	paid := func(pay stripetest.Payment) bool { return p.states(pay) == "PAID / COMPLETED" }
	p.eventually("it is paid, too", func() bool { return paid(refused) })
	for _, pay := range pays {
		if !paid(pay) {
			t.Errorf("order %s is %s", pay.OrderID, p.states(pay))
		}
	}
}

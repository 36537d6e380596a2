package app_test

import (
	"strings"
	"testing"
)

// Nobody has to decide on other money once all of it has gone back, and the order
// was not paid by that.
func TestOtherMoneyThatWentBackIsOffTheList(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	wrong := pay
	wrong.Amount = 100
	listed := func() bool {
		out, err := p.ops("", "orders", "review")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(out, pay.OrderID)
	}
	p.deliver(wrong, p.factory.CheckoutCompleted(wrong))
	p.deliver(wrong, p.factory.ChargeSucceeded(wrong))
	p.eventually("other money has come", func() bool { return p.states(pay) == "PAYMENT_PENDING / REVIEW" })
	if !listed() {
		t.Error("it is not to be decided on")
	}
	p.deliver(wrong, p.factory.ChargeRefunded(wrong, 100))
	p.eventually("it has gone back", func() bool { return p.states(pay) == "REFUNDED / REFUNDED" })
	if listed() {
		t.Error("it is still to be decided on")
	}
	if got := p.scalar(`SELECT count(*)::text FROM "OrderTransition" WHERE "orderTo" = 'PAID'`); got != "0" {
		t.Error("the order was PAID on the way")
	}
	if a, code := p.audit("--strict"); code != 0 || a.Received["eur"] != 100 || a.Refunded["eur"] != 100 {
		t.Errorf("the audit ends with %d: %+v", code, a)
	}
}

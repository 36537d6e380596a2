package postgres_test

import (
	"testing"

	"tillhook/pkg/order"
)

// replacement is put in the place of w's payment.
const replacement = `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p2', 'o', 'cs_test_1', 2500, 'usd')`

// What the ordering application puts in a payment's place before that one goes is
// led to as soon as it has gone, by its session and by an event that waits for it.
func TestAPaymentIsReplacedBeforeItGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, replacement+`, ('p3', 'o', NULL, 2500, 'usd')`)
	exec(t, w.DB, `DELETE FROM "Payment" WHERE id = 'p'`)
	exec(t, w.DB, `DELETE FROM "Payment" WHERE id = 'p3'`)
	if r := w.settle(w.event("1", "r", linked))[0]; r.Err != nil {
		t.Error(r.Err)
	}
	if got, want := w.states(), "PAID COMPLETED pi_1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Two payments of one session are deleted at the same time: nobody waits for the
// other in vain, and no link to nobody is left.
func TestBothOfASessionsPaymentsGoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, replacement)
	first := begun(t, w.DB, `DELETE FROM "Payment" WHERE id = 'p2'`)
	second := begun(t, w.DB, `DELETE FROM "Payment" WHERE id = 'p'`)
	if err := second.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := leftovers(t, w.DB); n != 0 {
		t.Errorf("%d rows of nobody are left", n)
	}
}

// Who is to be in another's place is deleted while that one goes: its new link
// goes with it.
func TestWhoIsPutInAnothersPlaceGoesAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, replacement)
	first := begun(t, w.DB, `DELETE FROM "Payment" WHERE id = 'p'`)
	deleted := make(chan error, 1)
	go func() {
		_, err := w.Exec(`DELETE FROM "Payment" WHERE id = 'p2'`)
		deleted <- err
	}()
	waitForLocks(t, w.DB, 1, deleted)
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Error(err)
	}
	if n := leftovers(t, w.DB); n != 0 {
		t.Errorf("%d rows of nobody are left", n)
	}
}

// An order keeps the state that a payment has brought it to, and the story of it,
// though the payment was moved to another order and has gone from there.
func TestWhatAMovedPaymentDidStaysTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle(w.event("1", "r", linked))
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'r', 2500, 'usd')`)
	exec(t, w.DB, `UPDATE "Payment" SET "orderId" = 'o2'`)
	w.settle(w.event("2", "r", order.Contribution{Facts: order.Facts{Intent: "pi_1", Gross: map[string]int64{"ch_1": 2500}}}))
	told := func() string {
		return get[string](t, w.DB, `SELECT concat_ws(' | ',
			(SELECT string_agg(concat_ws(' ', t."orderId", t."paymentId", t."orderTo", t."paymentTo"), ', ' ORDER BY t.id) FROM "OrderTransition" t),
			(SELECT string_agg(o.id || ' ' || o.status, ', ' ORDER BY o.id) FROM "Order" o),
			(SELECT count(*) FROM "PaymentObject"))`)
	}
	for _, step := range []struct{ statement, want string }{
		{`SELECT`, "o p PAID COMPLETED, o2 p REFUNDED REFUNDED | o PAID, o2 REFUNDED | 2"},
		{`DELETE FROM "Payment"`, "o p PAID COMPLETED | o PAID, o2 REFUNDED | 0"},
		{`DELETE FROM "Order" WHERE id = 'o'`, "o2 REFUNDED | 0"},
	} {
		exec(t, w.DB, step.statement)
		if got := told(); got != step.want {
			t.Errorf("after %s:\n%s, want\n%s", step.statement, got, step.want)
		}
	}
}

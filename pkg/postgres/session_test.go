package postgres_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// An event that names the intent only takes the column over: the session is
// known to whoever asks for it all the same.
func TestTheSessionOfAPaymentWhoseCardWasDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	declined := order.Contribution{PaymentID: "p", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}}
	if r := w.settle(w.event("1", "r", declined)); r[0].Err != nil {
		t.Fatal(r)
	}
	if got := w.states(); got != "PAYMENT_PENDING FAILED pi_1" {
		t.Fatal(got)
	}
	for range 2 { // the second finds what the first has found
		c, err := w.BeginCheckout(t.Context(), start("p2"))
		if diff := cmp.Diff(order.Checkout{RestaurantID: "r", PaymentID: "p", SessionID: "cs_test_1"}, c); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
	pending, err := w.PendingOrders(t.Context(), []string{"o"})
	if err != nil || len(pending) != 1 {
		t.Fatal(pending, err)
	}
	if diff := cmp.Diff([]event.PendingPayment{{ID: "p", Session: "cs_test_1", Intent: "pi_1"}}, pending[0].Payments); diff != "" {
		t.Error("to be looked up at Stripe (-want +got)\n", diff)
	}
	// Both ways of reading a payment know that another session is not its own.
	other := w.event("2", "r", order.Contribution{PaymentID: "p", Facts: order.Facts{Session: "cs_test_0", Expired: true}})
	w.settle(other)
	if got := w.eventState(other) + ", " + w.states(); got != "PROCESSING 0, PAYMENT_PENDING FAILED pi_1" {
		t.Error(got)
	}
	own := w.event("3", "r", order.Contribution{PaymentID: "p", Facts: order.Facts{Session: "cs_test_1", Expired: true}})
	w.settle(own)
	if got := w.eventState(own) + ", " + w.states(); got != "COMPLETED applied 1, EXPIRED EXPIRED pi_1" {
		t.Error(got)
	}
}

// An event can name the intent before its session is kept.
func TestASessionThatIsKeptAfterItsIntentIsKnown(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE "Payment" SET "providerPaymentId" = 'pi_1', facts = '{"intent": "pi_1"}'`)
	if err := d.KeepSession(t.Context(), "p1", 1, "cs_test_1"); err != nil {
		t.Fatal(err)
	}
	c, err := d.BeginCheckout(t.Context(), start("p2"))
	if diff := cmp.Diff(order.Checkout{RestaurantID: "r", PaymentID: "p1", SessionID: "cs_test_1"}, c); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// The order's total changes while Stripe makes a session of the old amount: it
// comes too late, and nobody is led to it.
func TestTheTotalChangesWhileStripeIsAsked(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE "Order" SET "totalAmount" = 3000 WHERE id = 'o'`)
	if c, err := d.BeginCheckout(t.Context(), start("p2")); err != nil || !c.Outdated || c.SessionID != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := d.BeginCheckout(t.Context(), start("p2", "p1")); err != nil || c.PaymentID != "p2" || c.Attempt != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := d.KeepSession(t.Context(), "p1", 1, "cs_test_1"); !errors.Is(err, order.ErrSuperseded) {
		t.Errorf("the session of the old amount: %v", err)
	}
	if err := d.KeepSession(t.Context(), "p2", 1, "cs_test_2"); err != nil {
		t.Error(err)
	}
	if got := payments(t, d); got != "PAYMENT_PENDING: p1 PENDING, p2 PENDING cs_test_2" {
		t.Error(got)
	}
	// It is the old one again: Stripe is asked anew.
	exec(t, d, `UPDATE "Order" SET "totalAmount" = 2150 WHERE id = 'o'`)
	if c, err := d.BeginCheckout(t.Context(), start("p3", "p2")); err != nil || c.PaymentID != "p1" || c.Attempt != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Who keeps a session and who begins a checkout lock in the same order: one waits
// for the other, whatever he finds then.
func TestASessionIsKeptWhileACheckoutBegins(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Fatal(err)
	}
	tx := begun(t, d, `SELECT FROM "Payment" WHERE id = 'p1' FOR NO KEY UPDATE`)
	kept := make(chan error)
	go func() { kept <- d.KeepSession(t.Context(), "p1", 1, "cs_test_1") }()
	waitForLocks(t, d, 1, kept)
	if _, err := tx.Exec(db.Query("checkout_supersede"), "p1"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if err := <-kept; !errors.Is(err, order.ErrSuperseded) {
		t.Error(err)
	}
}

package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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

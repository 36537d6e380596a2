package order_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// The table of the state machine but for refunds and disputes. Each line
// is a payment's facts in one event; the states follow from them alone.
func TestStatusFollowsFromFacts(t *testing.T) {
	t.Parallel()
	money := func(m ...order.Money) []order.Money { return m }
	for _, c := range []struct {
		name  string
		facts order.Facts
		want  string
	}{
		{"nothing said", order.Facts{}, "PAYMENT_PENDING / PENDING"},
		{"under way", order.Facts{Processing: true}, "PAYMENT_PENDING / PROCESSING"},
		{"an attempt was declined, another may follow", order.Facts{FailedAttempts: []string{"ch_1"}}, "PAYMENT_PENDING / FAILED"},
		{"declined, then another is under way", order.Facts{FailedAttempts: []string{"ch_1"}, Processing: true}, "PAYMENT_PENDING / PROCESSING"},
		{"expired", order.Facts{Expired: true}, "EXPIRED / EXPIRED"},
		{"expired after declined attempts", order.Facts{Expired: true, FailedAttempts: []string{"ch_1"}}, "EXPIRED / EXPIRED"},
		{"expired while under way", order.Facts{Expired: true, Processing: true}, "EXPIRED / EXPIRED"},
		{"the asynchronous method failed", order.Facts{Processing: true, AsyncFailed: true}, "PAYMENT_FAILED / FAILED"},
		{"failed, and then expired", order.Facts{AsyncFailed: true, Expired: true}, "PAYMENT_FAILED / FAILED"},
		{"canceled", order.Facts{Canceled: true, Processing: true, FailedAttempts: []string{"ch_1"}}, "EXPIRED / CANCELED"},
		{"canceled and expired", order.Facts{Canceled: true, Expired: true}, "EXPIRED / EXPIRED"},
		{"a refund or dispute of money that nobody has told of yet", order.Facts{Implied: true}, "PAID / COMPLETED"},
		{"the same after it had failed", order.Facts{Implied: true, AsyncFailed: true, Expired: true, Canceled: true}, "PAID / COMPLETED"},
		{"other money, and expired", order.Facts{Evidence: money(other), Expired: true}, "EXPIRED / REVIEW"},
		{"the money asked for", order.Facts{Evidence: money(asked)}, "PAID / COMPLETED"},
		{"money wins over everything", order.Facts{Evidence: money(asked), Expired: true, Processing: true, FailedAttempts: []string{"ch_1"}}, "PAID / COMPLETED"},
		{"the money asked for, beside other money", order.Facts{Evidence: money(other, asked)}, "PAID / COMPLETED"},
		{"other money", order.Facts{Evidence: money(other)}, "PAYMENT_PENDING / REVIEW"},
		{"the amount in another currency", order.Facts{Evidence: money(order.Money{Amount: 2500, Currency: "eur"})}, "PAYMENT_PENDING / REVIEW"},
		{"free, though money was asked for", order.Facts{Free: true}, "PAYMENT_PENDING / REVIEW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrder("")
			order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: c.facts}))
			if got := states(o); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// The order's state is made of all of its payments'.
func TestOrderOfSeveralPayments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		payments string // what has become of each before p1 gets the event
		facts    order.Facts
		want     string
	}{
		{"PENDING", order.Facts{Expired: true}, "EXPIRED / EXPIRED"},
		{"PENDING PENDING", order.Facts{Expired: true}, "PAYMENT_PENDING / EXPIRED PENDING"},
		{"PENDING EXPIRED", order.Facts{Expired: true}, "EXPIRED / EXPIRED EXPIRED"},
		{"PENDING COMPLETED", order.Facts{Expired: true}, "PAID / EXPIRED COMPLETED"},
		{"PENDING EXPIRED", paid("cs_1", ""), "PAID / COMPLETED EXPIRED"},
		{"PENDING COMPLETED", paid("cs_1", ""), "PAID / COMPLETED COMPLETED"},
		{"PENDING PARTIALLY_REFUNDED", order.Facts{Expired: true}, "PAID / EXPIRED PARTIALLY_REFUNDED"},
		{"PENDING DISPUTED", order.Facts{Expired: true}, "PAID / EXPIRED DISPUTED"},
		{"PENDING DISPUTE_LOST", order.Facts{Expired: true}, "PAID / EXPIRED DISPUTE_LOST"},
		{"PENDING REFUNDED", order.Facts{Expired: true}, "REFUNDED / EXPIRED REFUNDED"},
		{"PENDING FAILED", order.Facts{AsyncFailed: true}, "PAYMENT_PENDING / FAILED FAILED"}, // the other's attempt was declined, no more
		{"PENDING EXPIRED", order.Facts{AsyncFailed: true}, "PAYMENT_FAILED / FAILED EXPIRED"},
		{"PENDING EXPIRED", order.Facts{Canceled: true}, "EXPIRED / CANCELED EXPIRED"},
		{"PENDING COMPLETED", order.Facts{AsyncFailed: true}, "PAID / FAILED COMPLETED"},
		{"PENDING REFUNDED", paid("cs_1", ""), "PAID / COMPLETED REFUNDED"},
	} {
		before := strings.Fields(c.payments)
		o := newOrder(make([]string, len(before))...)
		for i, status := range before {
			o.Payments[i].Status = order.PaymentStatus(status)
			o.Payments[i].Facts.Expired = status == "EXPIRED"
		}
		order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: c.facts}))
		if got := states(o); got != c.want {
			t.Errorf("%s and %+v: %s, want %s", c.payments, c.facts, got, c.want)
		}
	}
}

// Nothing to pay, and nothing asked for: PAID without a cent.
func TestFreeOrder(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	o.Payments[0].Expected.Amount = 0
	r := order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: order.Facts{Session: "cs_1", Free: true}}))
	want := order.Result{Outcome: event.Applied, Transition: &order.Transition{
		OrderID: "o", PaymentID: "p1", EventID: "e", Reason: "test.e",
		OrderFrom: order.PaymentPending, OrderTo: order.Paid,
		PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentCompleted,
	}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// What people have written by hand, and what belongs to the restaurant, stays.
func TestFloors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		order   order.Status
		payment order.PaymentStatus
		facts   order.Facts
		want    string
	}{
		{"PAID by hand, then expired", order.Paid, order.PaymentIsPending, order.Facts{Expired: true}, "PAID / EXPIRED"},
		{"PAID by hand, then declined", order.Paid, order.PaymentIsPending, order.Facts{FailedAttempts: []string{"ch_1"}}, "PAID / FAILED"},
		{"PAID by hand, then paid", order.Paid, order.PaymentIsPending, paid("cs_1", ""), "PAID / COMPLETED"},
		{"REFUNDED by hand, then expired", order.Refunded, order.PaymentIsPending, order.Facts{Expired: true}, "REFUNDED / EXPIRED"},
		{"a payment COMPLETED by hand, then expired", order.PaymentPending, order.PaymentCompleted, order.Facts{Expired: true}, "PAID / COMPLETED"},
		{"both by hand, then other money", order.Paid, order.PaymentCompleted, order.Facts{Evidence: []order.Money{other}}, "PAID / COMPLETED"},
		{"a payment REFUNDED by hand, then expired", order.Paid, order.PaymentRefunded, order.Facts{Expired: true}, "REFUNDED / REFUNDED"},
		{"EXPIRED, then paid after all", order.Expired, order.PaymentExpired, paid("cs_1", ""), "PAID / COMPLETED"},
		{"PAYMENT_FAILED, then paid after all", order.PaymentFailed, order.PaymentIsFailed, paid("cs_1", ""), "PAID / COMPLETED"},
		{"PAID by hand, then failed for good", order.Paid, order.PaymentProcessing, order.Facts{AsyncFailed: true}, "PAID / FAILED"},
		{"a payment COMPLETED by hand, then canceled", order.Paid, order.PaymentCompleted, order.Facts{Canceled: true}, "PAID / COMPLETED"},
		{"both by hand, then refunded", order.Paid, order.PaymentCompleted, order.Facts{Implied: true, Gross: map[string]int64{"ch_1": 2500}}, "REFUNDED / REFUNDED"},
		{"DELIVERED is the restaurant's, though refunded", "DELIVERED", order.PaymentCompleted, order.Facts{Implied: true, Gross: map[string]int64{"ch_1": 2500}}, "DELIVERED / REFUNDED"},
		{"PREPARING is the restaurant's, though paid", "PREPARING", order.PaymentIsPending, paid("cs_1", ""), "PREPARING / COMPLETED"},
		{"CANCELLED is the restaurant's, though paid", "CANCELLED", order.PaymentIsPending, paid("cs_1", ""), "CANCELLED / COMPLETED"},
		{"DELIVERED is the restaurant's, though expired", "DELIVERED", order.PaymentIsPending, order.Facts{Expired: true}, "DELIVERED / EXPIRED"},
	} {
		o := newOrder("")
		o.Status, o.Payments[0].Status = c.order, c.payment
		order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: c.facts}))
		if got := states(o); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

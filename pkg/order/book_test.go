package order_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// How an event finds its payment. Every order is made of the columns that its
// payments have, and every event is a success of 2500 usd.
func TestRouting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		columns []string
		links   map[order.Link]string // more than the columns'
		entry   order.Contribution
		want    string // states afterwards
		outcome string
	}{
		{
			"by its object, whatever the metadata says of the payment", []string{"cs_1", "cs_2"}, nil,
			order.Contribution{PaymentID: "p1", OrderID: "o", Facts: paid("cs_2", "")},
			"PAID / PENDING COMPLETED", "applied",
		},
		{
			"by any of its objects", []string{"cs_1", "cs_2"}, map[order.Link]string{{RestaurantID: "r", ObjectID: "ch_2"}: "p2"},
			order.Contribution{Facts: order.Facts{Intent: "pi_9", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}}},
			"PAID / PENDING COMPLETED", "applied",
		},
		{
			"the session before the intent", []string{"cs_1", "pi_2"}, nil,
			order.Contribution{Facts: paid("cs_1", "pi_2")},
			"PAID / COMPLETED PENDING", "applied",
		},
		{
			"by the payment's id, before the order's", []string{"cs_1", "cs_2"}, nil,
			order.Contribution{PaymentID: "p2", OrderID: "o", Facts: paid("", "pi_2")},
			"PAID / PENDING COMPLETED", "applied",
		},
		{
			"by the payment's id alone", []string{"cs_1", "cs_2"}, nil,
			order.Contribution{PaymentID: "p1", Facts: paid("", "pi_1")},
			"PAID / COMPLETED PENDING", "applied",
		},
		{
			"by the order, if it has one payment", []string{"cs_1"}, nil,
			order.Contribution{OrderID: "o", Facts: paid("", "pi_1")},
			"PAID / COMPLETED", "applied",
		},
		{
			"by the order, if one payment is not another session's", []string{"cs_1", ""}, nil,
			order.Contribution{OrderID: "o", Facts: paid("cs_2", "")},
			"PAID / PENDING COMPLETED", "applied",
		},
		{
			"two payments that it may be for: it waits", []string{"cs_1", "cs_2"}, nil,
			order.Contribution{OrderID: "o", Facts: paid("", "pi_1")},
			"PAYMENT_PENDING / PENDING PENDING", "waits",
		},
		{
			"the only payment is another session's: it waits", []string{"cs_1"}, nil,
			order.Contribution{OrderID: "o", Facts: paid("cs_2", "pi_2")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"the only payment is another intent's: it waits", []string{"pi_1"}, nil,
			order.Contribution{OrderID: "o", Facts: paid("", "pi_2")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"the payment it names is another session's: it waits", []string{"cs_1"}, nil,
			order.Contribution{PaymentID: "p1", Facts: paid("cs_2", "")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"the payment it names is not there yet: no other will do", []string{"cs_1"}, nil,
			order.Contribution{PaymentID: "p7", OrderID: "o", Facts: paid("", "pi_7")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"names nothing known: it waits", []string{"cs_1"}, nil,
			order.Contribution{PaymentID: "p7", OrderID: "o7", Facts: paid("cs_7", "pi_7")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"names nothing: it waits", []string{"cs_1"}, nil,
			order.Contribution{Facts: order.Facts{Evidence: []order.Money{asked}}},
			"PAYMENT_PENDING / PENDING", "waits",
		},
		{
			"another order than its object's: never", []string{"cs_1"}, nil,
			order.Contribution{OrderID: "o7", Facts: paid("cs_1", "")},
			"PAYMENT_PENDING / PENDING", "fails: metadata names order o7, but the payment belongs to order o",
		},
		{
			"a link to a payment that isn't there counts for nothing", []string{"cs_1"}, map[order.Link]string{{RestaurantID: "r", ObjectID: "pi_1"}: "gone"},
			order.Contribution{OrderID: "o", Facts: paid("", "pi_1")},
			"PAID / COMPLETED", "applied",
		},
		{
			"of a kind that says nothing", []string{"cs_1"}, nil,
			order.Contribution{Ignored: true},
			"PAYMENT_PENDING / PENDING", "ignored",
		},
		{
			"another restaurant's link is invisible", []string{""}, map[order.Link]string{{RestaurantID: "s", ObjectID: "cs_1"}: "p1"},
			order.Contribution{Facts: paid("cs_1", "")},
			"PAYMENT_PENDING / PENDING", "waits",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrder(c.columns...)
			links := linked(o)
			for l, id := range c.links {
				links[l] = id
			}
			b := order.NewBook([]*order.Order{o}, links)
			got := outcomes(b.Settle([]order.Entry{entry("e", c.entry)}))
			if diff := cmp.Diff([]string{c.outcome}, got); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
			if s := states(o); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}

// An order that somebody else holds is not in the book: whatever leads to it
// comes again, at no cost, and the other events of the batch don't wait.
func TestAnOrderThatSomebodyElseHolds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cs_9", "p9", "o9"} {
		o := newOrder("cs_1")
		b := bookOf(o)
		b.Busy(order.Link{RestaurantID: "r", ObjectID: name})
		results := b.Settle([]order.Entry{
			entry("held", order.Contribution{OrderID: "o9", PaymentID: "p9", Facts: paid("cs_9", "pi_9")}),
			entry("free", order.Contribution{Facts: paid("cs_1", "pi_1")}),
		})
		if err := results[0].Err; !errors.Is(err, order.ErrBusy) || !event.IsUnavailable(err) {
			t.Errorf("%s is held: %v", name, err)
		}
		if results[1].Err != nil || states(o) != "PAID / COMPLETED" {
			t.Errorf("%s is held, the other order: %s, %v", name, states(o), results[1].Err)
		}
	}
}

// A restaurant can sign events that name anybody's ids. Whatever it names of
// another restaurant is unknown to it, and stays as it is.
func TestAnotherRestaurantIsInvisible(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	b := bookOf(o)
	before := stateOf(o, nil)
	forged := []order.Contribution{
		{Facts: paid("cs_1", "")},
		{OrderID: "o", Facts: paid("", "pi_9")},
		{PaymentID: "p1", Facts: paid("", "pi_9")},
		{RestaurantID: "r", OrderID: "o", PaymentID: "p1", Facts: paid("cs_1", "pi_1")},
	}
	entries := make([]order.Entry, len(forged))
	for i, c := range forged {
		entries[i] = entry("e", c)
		entries[i].RestaurantID = "s"
	}
	want := []string{
		"waits", "waits", "waits",
		// Says itself that it is not its signer's: it will never be.
		"fails: metadata.restaurantId names another restaurant than the one whose secret signed the event",
	}
	if diff := cmp.Diff(want, outcomes(b.Settle(entries))); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if diff := cmp.Diff(before, stateOf(o, nil)); diff != "" {
		t.Error("has changed (-before +after)\n", diff)
	}
	if diff := cmp.Diff(order.Changes{Links: map[order.Link]string{}}, b.Changes()); diff != "" {
		t.Error("would be stored (-want +got)\n", diff)
	}
}

// Two restaurants may know the same object id: one of them is lying, and gets
// its own payment only.
func TestOneObjectIDOfTwoRestaurants(t *testing.T) {
	t.Parallel()
	honest, liar := newOrder("cs_1"), newOrder("cs_1")
	liar.ID, liar.RestaurantID = "o-s", "s"
	liar.Payments[0].ID, liar.Payments[0].OrderID, liar.Payments[0].RestaurantID = "p-s", "o-s", "s"
	links := linked(honest)
	for l, id := range linked(liar) {
		links[l] = id
	}
	e := entry("e", order.Contribution{Facts: paid("cs_1", "pi_1")})
	e.RestaurantID = "s"
	results := order.NewBook([]*order.Order{honest, liar}, links).Settle([]order.Entry{e})
	got := append(outcomes(results), states(honest), states(liar))
	if diff := cmp.Diff([]string{"applied", "PAYMENT_PENDING / PENDING", "PAID / COMPLETED"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A charge that is worked off in one batch with the session that links its
// intent doesn't wait for another attempt: its duplicate after the session is
// the first to find the payment, then it does. Each thing is stored once.
func TestAChargeBeforeItsSession(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1", "cs_2")
	b := bookOf(o)
	charge := order.Contribution{Facts: order.Facts{Intent: "pi_2", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}}}
	got := outcomes(b.Settle([]order.Entry{
		entry("charge", charge),
		entry("other", order.Contribution{Ignored: true}),
		entry("expired", order.Contribution{Facts: order.Facts{Session: "cs_1", Expired: true}}),
		entry("completed", order.Contribution{Facts: paid("cs_2", "pi_2")}),
		entry("twice", charge),
		entry("foreign", order.Contribution{Facts: paid("cs_7", "pi_7")}),
	}))
	if diff := cmp.Diff([]string{"no_change", "ignored", "applied", "applied", "applied", "waits"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	changes := b.Changes()
	want := order.Changes{
		Orders:   []*order.Order{o},
		Payments: []*order.Payment{o.Payments[0], o.Payments[1]},
		Links: map[order.Link]string{
			{RestaurantID: "r", ObjectID: "pi_2"}: "p2", {RestaurantID: "r", ObjectID: "ch_2"}: "p2",
		},
		Transitions: []order.Transition{
			{
				OrderID: "o", PaymentID: "p1", EventID: "expired", Reason: "test.expired",
				OrderFrom: order.PaymentPending, OrderTo: order.PaymentPending,
				PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentExpired,
			},
			{
				OrderID: "o", PaymentID: "p2", EventID: "completed", Reason: "test.completed",
				OrderFrom: order.PaymentPending, OrderTo: order.Paid,
				PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentCompleted,
			},
		},
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// What only repeats what is known is not written again.
func TestADuplicateWritesNothing(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	o.Status, o.Payments[0].Status = order.Paid, order.PaymentCompleted
	o.Payments[0].Facts, o.Payments[0].ProviderPaymentID = paid("cs_1", "pi_1"), "pi_1"
	b := bookOf(o)
	results := b.Settle([]order.Entry{entry("e", order.Contribution{Facts: paid("cs_1", "pi_1")})})
	if diff := cmp.Diff([]string{"no_change"}, outcomes(results)); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if diff := cmp.Diff(order.Changes{Links: map[order.Link]string{}}, b.Changes()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

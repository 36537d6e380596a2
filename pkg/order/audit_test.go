package order_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ended is an event with the end that is recorded of it.
type ended struct {
	order.Entry
	status  event.Status
	orderID string
}

// recorded settles entries, and answers what the tables would say of it all.
func recorded(columns []string, entries []order.Entry) (order.Recorded, []ended) {
	o := newOrder(columns...)
	links := linked(o)
	b := order.NewBook([]*order.Order{o}, links)
	var events []ended
	for i, r := range b.Settle(entries) {
		e := ended{entries[i], event.Completed, r.OrderID}
		if r.Err != nil {
			e.status = event.Failed
		}
		events = append(events, e)
	}
	r := order.Recorded{Order: o, Complete: true, AmountRefunded: map[string]int64{}, Links: map[string]string{}}
	for _, p := range o.Payments {
		r.AmountRefunded[p.ID] = p.Refunded()
	}
	for _, all := range []map[order.Link]string{links, b.Changes().Links} {
		for l, id := range all {
			r.Links[l.ObjectID] = id
		}
	}
	return r, events
}

// audit is every difference in words.
func audit(r order.Recorded, events []ended) (all []string, a *order.Auditor) {
	a = order.NewAuditor([]order.Recorded{r})
	for _, e := range events {
		a.See(e.Entry, e.status, e.orderID, nil)
	}
	for _, d := range a.Differences() {
		subject := d.PaymentID + d.EventID
		if d.ByHand {
			subject += " (by hand)"
		}
		all = append(all, fmt.Sprintf("%s: %s; %s", subject, d.Text, d.Mend))
	}
	return all, a
}

func TestAnAuditOfWhatTheBookWroteFindsNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, s := range stories {
		var entries []order.Entry
		for i, c := range s.events {
			entries = append(entries, entry(fmt.Sprint("e", i), c))
		}
		r, events := recorded(s.columns, entries)
		for range 20 {
			random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			if got, _ := audit(r, events); got != nil {
				t.Errorf("%s: %v", s.name, got)
			}
		}
	}
}

// Whatever somebody else changes in the tables, the audit names, and mends
// where the events say how.
func TestAnAuditNamesEachDifference(t *testing.T) {
	t.Parallel()
	story := []order.Entry{
		entry("session", order.Contribution{OrderID: "o", Facts: paid("cs_1", "pi_1")}),
		entry("charge", order.Contribution{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{asked}, Gross: map[string]int64{"ch_1": 1000}}}),
		entry("foreign", order.Contribution{OrderID: "o9", Facts: paid("cs_1", "pi_1")}),
	}
	payment := func(r *order.Recorded) *order.Payment { return r.Payments[0] }
	for _, c := range []struct {
		name   string
		tamper func(r *order.Recorded, events []ended)
		want   []string
		left   []string // after what can be recomputed was
	}{
		{"nothing", func(*order.Recorded, []ended) {}, nil, nil},
		{"the order's status", func(r *order.Recorded, _ []ended) { r.Status = order.Expired },
			[]string{": order is EXPIRED, its payments make it PAID; recompute"}, nil},
		{"the restaurant's own status", func(r *order.Recorded, _ []ended) { r.Status = "PREPARING" }, nil, nil},
		{"the payment's status", func(r *order.Recorded, _ []ended) { payment(r).Status = order.PaymentReview },
			[]string{"p1: payment is REVIEW, its facts make it PARTIALLY_REFUNDED; recompute"}, nil},
		{"the refunded amount", func(r *order.Recorded, _ []ended) { r.AmountRefunded["p1"] = 7 },
			[]string{"p1: amountRefunded is 7, its facts make it 1000; recompute"}, nil},
		{"the provider's id", func(r *order.Recorded, _ []ended) { payment(r).ProviderPaymentID = "" },
			[]string{"p1: providerPaymentId is empty, its intent is pi_1; recompute"}, nil},
		{"facts that were lost", func(r *order.Recorded, _ []ended) { payment(r).Facts = order.Facts{} },
			[]string{"p1: events say what is not recorded: session cs_1, intent pi_1, charges, 25.00 USD received, refunded amount of a charge; recompute"}, nil},
		{"facts that nobody said", func(r *order.Recorded, _ []ended) {
			payment(r).Facts = payment(r).Facts.Join(order.Facts{Disputes: map[string]string{"dp_9": "won"}})
		},
			[]string{"p1: no stored event says what is recorded: disputes; human", "p1: dp_9 doesn't lead to it; recompute"},
			[]string{"p1: no stored event says what is recorded: disputes; human"}},
		{"the same of an order that is older than its events", func(r *order.Recorded, _ []ended) {
			r.Complete, r.Links["dp_9"] = false, "p1"
			payment(r).Facts = payment(r).Facts.Join(order.Facts{Disputes: map[string]string{"dp_9": "won"}})
		}, nil, nil},
		{"a link", func(r *order.Recorded, _ []ended) { delete(r.Links, "ch_1") },
			[]string{"p1: ch_1 doesn't lead to it; recompute"}, nil},
		{"where a link leads", func(r *order.Recorded, _ []ended) { r.Links["ch_1"] = "p7" },
			[]string{"p1: ch_1 leads to payment p7; human"}, []string{"p1: ch_1 leads to payment p7; human"}},
		{"how an event ended", func(_ *order.Recorded, events []ended) { events[0].status = event.Failed },
			[]string{"session: the event is FAILED, and could be applied now; replay"},
			[]string{"session: the event is FAILED, and could be applied now; replay"}},
		{"how a refused event ended", func(_ *order.Recorded, events []ended) { events[2].status = event.Completed },
			[]string{"foreign: the event is COMPLETED, and should have FAILED: metadata names order o9, but the payment belongs to order o; replay"},
			[]string{"foreign: the event is COMPLETED, and should have FAILED: metadata names order o9, but the payment belongs to order o; replay"}},
		{"an event under way", func(r *order.Recorded, events []ended) {
			r.Status, events[1].status = order.Expired, event.Processing
		}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, events := recorded([]string{"cs_1"}, story)
			c.tamper(&r, events)
			got, a := audit(r, events)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatal("(-want +got)\n", diff)
			}
			if a.Unfinished() > 0 {
				return
			}
			changes := order.Recompute(r.Order, a.Folded("o"), "audit")
			for l := range changes.Links { // as ON CONFLICT DO NOTHING has it
				if r.Links[l.ObjectID] == "" {
					r.Links[l.ObjectID] = changes.Links[l]
				}
			}
			for _, p := range r.Payments {
				r.AmountRefunded[p.ID] = p.Refunded()
			}
			got, _ = audit(r, events)
			if diff := cmp.Diff(c.left, got); diff != "" {
				t.Error("after recomputing (-want +got)\n", diff)
			}
		})
	}
}

// An operator's own settling is respected: it is told, and not mended.
func TestAnAuditTellsWhatWasSettledByHand(t *testing.T) {
	t.Parallel()
	r, events := recorded([]string{"cs_1"}, []order.Entry{entry("expired", order.Contribution{Facts: order.Facts{Session: "cs_1", Expired: true}})})
	r.Status, r.Payments[0].Status = order.Paid, order.PaymentCompleted
	want := []string{"p1 (by hand): payment is COMPLETED by hand, its facts make it EXPIRED; human"}
	got, a := audit(r, events)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if changes := order.Recompute(r.Order, a.Folded("o"), "audit"); len(changes.Transitions) != 0 || r.Status != order.Paid {
		t.Errorf("recomputing it made %v, order %s", changes.Transitions, r.Status)
	}
	r.Payments[0].Status = order.PaymentExpired
	want = []string{": order is PAID by hand, its payments make it EXPIRED; human"}
	for i := range want {
		want[i] = " (by hand)" + want[i]
	}
	if got, _ := audit(r, events); !cmp.Equal(want, got) {
		t.Error("(-want +got)\n", cmp.Diff(want, got))
	}
}

func TestRecomputingRecordsEachChangeOnce(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1", "cs_2")
	facts := map[string]order.Facts{"p1": paid("cs_1", "pi_1"), "p2": {Session: "cs_2", Expired: true}}
	got := order.Recompute(o, facts, "audit").Transitions
	want := []order.Transition{
		{OrderID: "o", PaymentID: "p1", OrderFrom: order.PaymentPending, OrderTo: order.Paid,
			PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentCompleted, Reason: "audit"},
		{OrderID: "o", PaymentID: "p2", OrderFrom: order.Paid, OrderTo: order.Paid,
			PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentExpired, Reason: "audit"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if again := order.Recompute(o, facts, "audit").Transitions; again != nil {
		t.Errorf("once more: %v", again)
	}
}

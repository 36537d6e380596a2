package order_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

// stories are sets of events. In whatever order they come, and however often,
// each ends in its one state.
var stories = []struct {
	name    string
	columns []string
	events  []order.Contribution
	want    string
}{
	{
		"paid by card, first declined", []string{"cs_1"},
		[]order.Contribution{
			{Facts: paid("cs_1", "pi_1")},
			{OrderID: "o", Facts: paid("", "pi_1")},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}}},
		},
		"PAID / COMPLETED",
	},
	{
		"paid in the end by an asynchronous method", []string{"cs_1"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Intent: "pi_1", Processing: true}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"py_1"}, Processing: true}},
			{Facts: paid("cs_1", "pi_1")},
			{Facts: order.Facts{Charges: []string{"py_1"}, Evidence: []order.Money{asked}}}, // old objects name no intent
		},
		"PAID / COMPLETED",
	},
	{
		"completed and expired: money wins", []string{"cs_1"},
		[]order.Contribution{
			{Facts: paid("cs_1", "pi_1")},
			{Facts: order.Facts{Session: "cs_1", Expired: true}},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Processing: true}},
		},
		"PAID / COMPLETED",
	},
	{
		"the first session expires, the second is paid", []string{"cs_1", "cs_2"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Expired: true}},
			{Facts: paid("cs_2", "pi_2")},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_2", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}}},
			{PaymentID: "p1", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}},
		},
		"PAID / EXPIRED COMPLETED",
	},
	{
		"both sessions are paid", []string{"cs_1", "cs_2"},
		[]order.Contribution{
			{Facts: paid("cs_1", "pi_1")},
			{Facts: paid("cs_2", "pi_2")},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{asked}}},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_2", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}}},
		},
		"PAID / COMPLETED COMPLETED",
	},
	{
		// Refunds and old disputes name no more than the charge.
		"refunded and disputed, with nothing but the charge to go by", []string{"cs_1"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Intent: "pi_1", Processing: true}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{asked}, Gross: map[string]int64{"ch_1": 1000}}},
			{Facts: order.Facts{Charges: []string{"ch_1"}, Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: "succeeded", Amount: 1000}}}},
			{Facts: order.Facts{Charges: []string{"ch_1"}, Implied: true, Disputes: map[string]string{"dp_1": "under_review"}}},
		},
		"PAID / DISPUTED",
	},
	{
		"a refund and a dispute that say only their own id the second time", []string{"cs_1"},
		[]order.Contribution{
			{OrderID: "o", Facts: order.Facts{Charges: []string{"ch_1"}, Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: "succeeded", Amount: 1000}}}},
			{Facts: order.Facts{Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: "failed", Amount: 1000}}}},
			{Facts: order.Facts{Charges: []string{"ch_1"}, Implied: true, Disputes: map[string]string{"dp_1": "lost"}}},
			{Facts: order.Facts{Implied: true, Disputes: map[string]string{"dp_1": "won"}}},
		},
		"PAID / COMPLETED",
	},
	{
		"declined for good", []string{"cs_1"},
		[]order.Contribution{
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_2"}, FailedAttempts: []string{"ch_2"}}},
			{Facts: order.Facts{Session: "cs_1", Expired: true}},
		},
		"EXPIRED / EXPIRED",
	},
	{
		// The column is the intent's by then, and no event has named the payment's own session.
		"declined, and another session than the payment's expires", []string{"cs_1"},
		[]order.Contribution{
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}},
			{PaymentID: "p1", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_2"}, FailedAttempts: []string{"ch_2"}}},
			{PaymentID: "p1", Facts: order.Facts{Session: "cs_0", Expired: true}}, // waits
		},
		"PAYMENT_PENDING / FAILED",
	},
	{
		"less than was asked for, beside noise", []string{"cs_1"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Intent: "pi_1", Evidence: []order.Money{other}}},
			{OrderID: "o", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{other}}},
			{OrderID: "o9", Facts: paid("cs_1", "pi_1")}, // names another order: stopped by a guard
			{Ignored: true},
		},
		"PAYMENT_PENDING / REVIEW",
	},
	{
		"less than was asked for, and all of it goes back, as the charge tells it", []string{"cs_1"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Intent: "pi_1", Evidence: []order.Money{other}}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{other}, Gross: map[string]int64{"ch_1": 1000}}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{other}, Gross: map[string]int64{"ch_1": other.Amount}}},
		},
		"REFUNDED / REFUNDED",
	},
	{
		"less than was asked for, and all of it goes back, as each refund tells it", []string{"cs_1"},
		[]order.Contribution{
			{Facts: order.Facts{Session: "cs_1", Intent: "pi_1", Evidence: []order.Money{other}}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: "succeeded", Amount: 1000}}}},
			{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Implied: true, Refunds: map[string]order.Refund{"re_2": {Status: "pending", Amount: other.Amount - 1000}}}},
		},
		"REFUNDED / REFUNDED",
	},
}

func TestAnyOrderOfArrivalEndsInOneState(t *testing.T) {
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var entries []order.Entry
			for i, c := range s.events {
				e := entry(string(rune('a'+i)), c)
				entries = append(entries, e, e) // everything is delivered twice
			}
			want := settleAtOnce(s.columns, entries)
			if got := string(want.Order) + statusesOf(want); got != s.want {
				t.Fatalf("%s, want %s", got, s.want)
			}
			random, count := rand.New(rand.NewPCG(1, 2)), 0
			permute(entries, func() {
				count++
				cut := random.IntN(len(entries) + 1)
				for how, got := range map[string]state{
					"one by one": settleOneByOne(s.columns, entries), "in one batch": settleAtOnce(s.columns, entries),
					"in two batches": settleOneByOne(s.columns, entries, cut),
				} {
					if !reflect.DeepEqual(want, got) { // cmp takes ten times as long to see that all is well
						t.Fatalf("%s (of %d), %v (-want +got)\n%s", how, cut, ids(entries), cmp.Diff(want, got))
					}
				}
			})
			t.Logf("%d sequences", count)
		})
	}
}

// settleAtOnce works everything off in one batch.
func settleAtOnce(columns []string, entries []order.Entry) state {
	return settleOneByOne(columns, entries, len(entries))
}

// settleOneByOne works batches off, each in a book made of what the one before
// has stored, as the worker does; without cuts every event is a batch of its
// own. What waits comes again after the others, until nothing moves.
func settleOneByOne(columns []string, entries []order.Entry, cuts ...int) state {
	o := newOrder(columns...)
	links := linked(o)
	settle := func(batch []order.Entry) (waiting []order.Entry) {
		b := order.NewBook([]*order.Order{o}, links)
		for i, r := range b.Settle(batch) {
			if outcome(r) == "waits" {
				waiting = append(waiting, batch[i])
			}
		}
		for l, id := range b.Changes().Links {
			links[l] = id
		}
		return waiting
	}
	for open := entries; ; {
		var waiting []order.Entry
		if len(cuts) == 0 {
			for i := range open {
				waiting = append(waiting, settle(open[i:i+1])...)
			}
		} else {
			waiting = append(settle(open[:min(cuts[0], len(open))]), settle(open[min(cuts[0], len(open)):])...)
		}
		if len(waiting) == 0 || len(waiting) == len(open) {
			return stateOf(o, links)
		}
		open = waiting
	}
}

// permute calls visit with every different order of entries, in place: equal
// events need not change places.
func permute(entries []order.Entry, visit func()) {
	var place func(int)
	place = func(k int) {
		if k == len(entries) {
			visit()
			return
		}
		tried := map[string]bool{}
		for i := k; i < len(entries); i++ {
			if tried[entries[i].EventID] {
				continue
			}
			tried[entries[i].EventID] = true
			entries[k], entries[i] = entries[i], entries[k]
			place(k + 1)
			entries[k], entries[i] = entries[i], entries[k]
		}
	}
	place(0)
}

func ids(entries []order.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.EventID)
	}
	return all
}

func statusesOf(s state) string {
	text := " /"
	for _, p := range s.Payments {
		text += " " + string(p.Status)
	}
	return text
}

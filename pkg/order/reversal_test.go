package order_test

import (
	"slices"
	"testing"

	"tillhook/pkg/order"
)

// refunds is a payment's money with its refunds: "re_1 failed 500".
func refunds(r map[string]order.Refund) order.Facts {
	return order.Facts{Implied: true, Refunds: r}
}

// How much has gone back is told twice, by the refunds and by the charge, and
// is never added up.
func TestNetOfRefunds(t *testing.T) {
	t.Parallel()
	type refund = map[string]order.Refund
	type gross = map[string]int64
	for _, c := range []struct {
		name    string
		refunds refund
		gross   gross
		net     int64
		want    string
	}{
		{"nothing", nil, nil, 0, "PAID / COMPLETED"},
		{"a part, told by the charge", nil, gross{"ch_1": 500}, 500, "PAID / PARTIALLY_REFUNDED"},
		{"all, told by the charge", nil, gross{"ch_1": 2500}, 2500, "REFUNDED / REFUNDED"},
		{"a part, told by both", refund{"re_1": {"succeeded", 500}}, gross{"ch_1": 500}, 500, "PAID / PARTIALLY_REFUNDED"},
		{"two parts, one of them only in the total", refund{"re_1": {"succeeded", 500}}, gross{"ch_1": 2500}, 2500, "REFUNDED / REFUNDED"},
		{"two parts, the total is behind", refund{"re_1": {"succeeded", 500}, "re_2": {"pending", 2000}}, gross{"ch_1": 500}, 2500, "REFUNDED / REFUNDED"},
		{"waits for the customer", refund{"re_1": {"requires_action", 2500}}, nil, 2500, "REFUNDED / REFUNDED"},
		{"failed", refund{"re_1": {"failed", 2500}}, nil, 0, "PAID / COMPLETED"},
		{"failed after the total had it", refund{"re_1": {"failed", 2500}}, gross{"ch_1": 2500}, 0, "PAID / COMPLETED"},
		{"canceled after the total had it", refund{"re_1": {"canceled", 500}}, gross{"ch_1": 2500}, 2000, "PAID / PARTIALLY_REFUNDED"},
		{"failed, then done again", refund{"re_1": {"failed", 2500}, "re_2": {"succeeded", 2500}}, gross{"ch_1": 2500}, 2500, "REFUNDED / REFUNDED"},
		{"a status nobody knows yet", refund{"re_1": {"unheard_of", 2500}}, nil, 0, "PAID / COMPLETED"},
		{"more than was paid", refund{"re_1": {"succeeded", 9000}}, nil, 2500, "REFUNDED / REFUNDED"},
		{"less than nothing", refund{"re_1": {"succeeded", -1}}, gross{"ch_1": -1}, 0, "PAID / COMPLETED"},
		{"two charges", nil, gross{"ch_1": 500, "ch_2": 600}, 1100, "PAID / PARTIALLY_REFUNDED"},
	} {
		o := newOrder("cs_1")
		f := order.Facts{Evidence: []order.Money{asked}, Gross: c.gross, Refunds: c.refunds}
		order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: f}))
		if got := o.Payments[0].Refunded(); got != c.net || states(o) != c.want {
			t.Errorf("%s: %d, %s, want %d, %s", c.name, got, states(o), c.net, c.want)
		}
	}
}

// A free order has nothing to give back, and is not REFUNDED for it.
func TestNothingIsRefundedOfNothing(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	o.Payments[0].Expected.Amount = 0
	order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: refunds(map[string]order.Refund{"re_1": {Status: "succeeded", Amount: 5}})}))
	if got := o.Payments[0].Refunded(); got != 0 || states(o) != "PAID / COMPLETED" {
		t.Errorf("%d, %s", got, states(o))
	}
}

// What Stripe says later of a refund replaces what it said before, whichever
// of the two comes first.
func TestRefundsAndDisputesOnlyMoveForward(t *testing.T) {
	t.Parallel()
	for i, before := range refundStatuses[:5] {
		for _, after := range refundStatuses[i:5] {
			a := order.Facts{Refunds: map[string]order.Refund{"re_1": {Status: before, Amount: 5}}}
			b := order.Facts{Refunds: map[string]order.Refund{"re_1": {Status: after, Amount: 5}}}
			if got := a.Join(b).Refunds["re_1"].Status + " " + b.Join(a).Refunds["re_1"].Status; got != after+" "+after {
				t.Errorf("%s and %s: %s", before, after, got)
			}
		}
	}
	for i, before := range disputeStatuses[:9] {
		for _, after := range disputeStatuses[i:9] {
			if before == "warning_closed" && after == "prevented" {
				continue // of one rank: either will do, as long as it is the same one
			}
			a, b := order.Facts{Disputes: map[string]string{"dp_1": before}}, order.Facts{Disputes: map[string]string{"dp_1": after}}
			if got := a.Join(b).Disputes["dp_1"] + " " + b.Join(a).Disputes["dp_1"]; got != after+" "+after {
				t.Errorf("%s and %s: %s", before, after, got)
			}
		}
	}
}

func TestDisputes(t *testing.T) {
	t.Parallel()
	for want, disputes := range map[string][]map[string]string{
		"PAID / DISPUTED": {
			{"dp_1": "needs_response"}, {"dp_1": "under_review"}, {"dp_1": "won", "dp_2": "under_review"},
		},
		"PAID / DISPUTE_LOST": {{"dp_1": "lost"}, {"dp_1": "lost", "dp_2": "needs_response"}, {"dp_1": "lost", "dp_2": "won"}},
		"PAID / COMPLETED": {
			{"dp_1": "warning_needs_response"}, {"dp_1": "warning_under_review"}, {"dp_1": "warning_closed"},
			{"dp_1": "prevented"}, {"dp_1": "charge_refunded"}, {"dp_1": "won"}, {"dp_1": "unheard_of"},
		},
	} {
		for _, d := range disputes {
			o := newOrder("cs_1")
			order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: order.Facts{Implied: true, Disputes: d}}))
			if states(o) != want {
				t.Errorf("%v: %s, want %s", d, states(o), want)
			}
		}
	}
}

// Both sessions of one order were paid: neither event is at fault, the order
// is PAID once, and exactly one transition tells the operator to give back.
func TestSecondPaymentIsFlaggedOnce(t *testing.T) {
	t.Parallel()
	a := entry("a", order.Contribution{Facts: paid("cs_1", "pi_1")})
	b := entry("b", order.Contribution{Facts: paid("cs_2", "pi_2")})
	for _, entries := range [][]order.Entry{{a, b, a, b}, {b, a, a, b}, {a, a, b, b}} {
		o := newOrder("cs_1", "cs_2")
		book := bookOf(o)
		for _, r := range book.Settle(entries) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		var reasons []string
		for _, t := range book.Changes().Transitions {
			reasons = append(reasons, t.Reason)
		}
		if len(reasons) != 2 || reasons[0] == order.SecondPayment || reasons[1] != order.SecondPayment || states(o) != "PAID / COMPLETED COMPLETED" {
			t.Errorf("%s: %v", states(o), reasons)
		}
	}
	// The first went back before, in full or by a dispute: nobody has paid twice.
	for want, back := range map[string]order.Facts{
		"PAID / REFUNDED COMPLETED":     {Intent: "pi_1", Gross: map[string]int64{"ch_1": 2500}},
		"PAID / DISPUTE_LOST COMPLETED": {Intent: "pi_1", Disputes: map[string]string{"dp_1": "lost"}},
	} {
		o := newOrder("cs_1", "cs_2")
		book := bookOf(o)
		book.Settle([]order.Entry{a, entry("back", order.Contribution{Facts: back}), b})
		for _, tr := range book.Changes().Transitions {
			if tr.Reason == order.SecondPayment {
				t.Errorf("%s: flagged %+v", want, tr)
			}
		}
		if states(o) != want {
			t.Errorf("%s, want %s", states(o), want)
		}
	}
}

// Money that went back, or was lost, can come to the restaurant again: the bank
// returns a refund, a dispute is won in the end. If another payment has the
// customer's money by then, he has paid twice, however it came about.
func TestMoneyThatIsKeptAgainIsASecondPayment(t *testing.T) {
	t.Parallel()
	paidBy := func(n string) order.Contribution {
		f := paid("cs_"+n, "pi_"+n)
		f.Charges = []string{"ch_" + n}
		return order.Contribution{Facts: f}
	}
	of := func(n string, f order.Facts) order.Contribution {
		f.Charges = []string{"ch_" + n}
		return order.Contribution{Facts: f}
	}
	sent, returned := refundOf("re_1", "succeeded", asked.Amount), refundOf("re_1", "failed", asked.Amount)
	for _, c := range []struct {
		name    string
		events  []order.Contribution
		flagged []string
		want    string
	}{
		{"the first one's refund fails after the second has paid", []order.Contribution{paidBy("1"), of("1", sent), paidBy("2"), of("1", returned)},
			[]string{"p1"}, "PAID / COMPLETED COMPLETED"},
		{"the refund came before its money", []order.Contribution{paidBy("2"), {PaymentID: "p1", Facts: sent}, paidBy("1"), {Facts: returned}},
			[]string{"p1"}, "PAID / COMPLETED COMPLETED"},
		{"the first one's lost dispute is won after all", []order.Contribution{paidBy("1"), of("1", disputeIs("lost")), paidBy("2"), of("1", disputeIs("won"))},
			[]string{"p1"}, "PAID / COMPLETED COMPLETED"},
		{"a part of what went back comes again", []order.Contribution{paidBy("1"), of("1", sent), paidBy("2"), of("1", refundOf("re_2", "succeeded", 1000)), of("1", returned)},
			[]string{"p1"}, "PAID / PARTIALLY_REFUNDED COMPLETED"},
		{"what went back is disputed as well", []order.Contribution{paidBy("1"), of("1", sent), paidBy("2"), of("1", disputeIs("needs_response"))},
			nil, "PAID / DISPUTED COMPLETED"},
		{"both go back, and one comes again", []order.Contribution{paidBy("1"), of("1", sent), paidBy("2"), of("2", refundOf("re_2", "succeeded", asked.Amount)), of("1", returned)},
			nil, "PAID / COMPLETED REFUNDED"},
	} {
		o := newOrder("cs_1", "cs_2")
		book := bookOf(o)
		for i, e := range c.events {
			if r := book.Settle([]order.Entry{entry(string(rune('a'+i)), e)}); r[0].Err != nil {
				t.Errorf("%s: %v", c.name, r[0].Err)
			}
		}
		var flagged []string
		for _, tr := range book.Changes().Transitions {
			if tr.Reason == order.SecondPayment {
				flagged = append(flagged, tr.PaymentID)
			}
		}
		if !slices.Equal(flagged, c.flagged) || states(o) != c.want {
			t.Errorf("%s: %s, flagged %v; want %s, %v", c.name, states(o), flagged, c.want, c.flagged)
		}
	}
}

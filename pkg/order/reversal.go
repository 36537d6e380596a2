package order

import "cmp"

// Refund is what is known of one refund. Stripe's amounts are positive.
type Refund struct {
	Status string `json:"status"`
	Amount int64  `json:"amount"` // minor units, of the payment's currency
}

// refundRank is how far a refund has come. It can fail after it succeeded, when
// the customer's bank sends the money back; the reverse is not documented.
var refundRank = map[string]int{
	"pending": 1, "requires_action": 2, "succeeded": 3, "canceled": 4, "failed": 5,
}

// disputeRank is how far a dispute has come. An inquiry (warning_…) may become
// a dispute; a lost one may still be won, Stripe calls that a late win.
var disputeRank = map[string]int{
	"warning_needs_response": 1, "warning_under_review": 2, "warning_closed": 3, "prevented": 3,
	"needs_response": 4, "under_review": 5, "charge_refunded": 6, "lost": 7, "won": 8,
}

// compareRefunds orders what can be said of one refund. Beyond the rank it goes
// by everything else, so that the larger of two is always the same one; a
// status that is not known yet ranks below all others and moves no money.
func compareRefunds(a, b Refund) int {
	return cmp.Or(cmp.Compare(refundRank[a.Status], refundRank[b.Status]),
		cmp.Compare(a.Status, b.Status), cmp.Compare(a.Amount, b.Amount))
}

// compareDisputes is the same for the status of one dispute.
func compareDisputes(a, b string) int {
	return cmp.Or(cmp.Compare(disputeRank[a], disputeRank[b]), cmp.Compare(a, b))
}

// back is how much of the payment has gone back to the customer, in minor
// units. Stripe tells it twice: per refund, and per charge as a running total
// that never says which refund it counts. They are never added up; what failed
// is taken off the total, which may have been seen before the failure.
func (f Facts) back() int64 {
	var sent, returned, gross int64
	for _, r := range f.Refunds {
		switch r.Status {
		case "pending", "requires_action", "succeeded":
			sent += r.Amount
		case "canceled", "failed":
			returned += r.Amount
		}
	}
	for _, amount := range f.Gross {
		gross += amount
	}
	return max(0, sent, gross-returned)
}

// allBack reports whether all that came has gone back. Of nothing nothing can.
func (f Facts) allBack(asked Money) bool {
	came := f.came(asked)
	return came > 0 && f.back() >= came
}

// Refunded is how much of the payment has gone back, in minor units, and never
// more than was asked for: what "Payment"."amountRefunded" holds.
func (p *Payment) Refunded() int64 { return min(p.Facts.back(), p.Expected.Amount) }

// Received is how much of what a settled payment asked for has come, in minor
// units.
func (p *Payment) Received() int64 { return min(p.Facts.came(p.Expected), p.Expected.Amount) }

// disputed reports whether a dispute is lost, and whether one is open. An
// inquiry takes no money, and neither does a dispute that ended in a refund,
// which counts as the refund.
func disputed(disputes map[string]string) (lost, open bool) {
	for _, status := range disputes {
		switch status {
		case "lost":
			lost = true
		case "needs_response", "under_review":
			open = true
		}
	}
	return lost, open
}

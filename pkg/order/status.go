package order

import "slices"

// Status is "Order".status as far as payments drive it. Every other value
// belongs to the restaurant and is never written by an event.
type Status string

// The states of an order that events may write.
const (
	PaymentPending Status = "PAYMENT_PENDING"
	PaymentFailed  Status = "PAYMENT_FAILED"
	Expired        Status = "EXPIRED"
	Paid           Status = "PAID"
	Refunded       Status = "REFUNDED"
)

// PaymentStatus is "Payment".status.
type PaymentStatus string

// The states of a payment.
const (
	PaymentIsPending         PaymentStatus = "PENDING"
	PaymentProcessing        PaymentStatus = "PROCESSING"
	PaymentIsFailed          PaymentStatus = "FAILED"
	PaymentExpired           PaymentStatus = "EXPIRED"
	PaymentCanceled          PaymentStatus = "CANCELED"
	PaymentCompleted         PaymentStatus = "COMPLETED"
	PaymentPartiallyRefunded PaymentStatus = "PARTIALLY_REFUNDED"
	PaymentRefunded          PaymentStatus = "REFUNDED"
	PaymentDisputed          PaymentStatus = "DISPUTED"
	PaymentDisputeLost       PaymentStatus = "DISPUTE_LOST"
	PaymentReview            PaymentStatus = "REVIEW" // money seen, but not the money asked for
)

// Settled reports whether the money came, whatever became of it afterwards.
func (s PaymentStatus) Settled() bool {
	switch s {
	case PaymentCompleted, PaymentPartiallyRefunded, PaymentRefunded, PaymentDisputed, PaymentDisputeLost:
		return true
	}
	return false
}

// kept reports whether the money came and has not gone back altogether, which it
// may have though it is disputed.
func (p *Payment) kept() bool {
	return p.Status.Settled() && p.Status != PaymentRefunded && p.Status != PaymentDisputeLost && !p.Facts.allBack(p.Expected)
}

// drivenByPayments reports whether events may write over s at all.
func (s Status) drivenByPayments() bool {
	switch s {
	case PaymentPending, PaymentFailed, Expired, Paid, Refunded:
		return true
	}
	return false
}

// paymentStatus is a function of the facts and of what was asked for, never of
// the payment's earlier status.
func paymentStatus(f Facts, expected Money) PaymentStatus {
	if f.paid(expected) {
		return paidStatus(f, expected)
	}
	switch {
	case len(f.Evidence) > 0 || f.Free:
		return PaymentReview
	case f.AsyncFailed:
		return PaymentIsFailed
	case f.Expired || f.Abandoned:
		return PaymentExpired
	case f.Canceled:
		return PaymentCanceled
	case f.Processing:
		return PaymentProcessing
	case len(f.FailedAttempts) > 0:
		return PaymentIsFailed
	}
	return PaymentIsPending
}

// paidStatus says what has become of money that came.
func paidStatus(f Facts, expected Money) PaymentStatus {
	lost, open := disputed(f.Disputes)
	switch {
	case lost:
		return PaymentDisputeLost
	case open:
		return PaymentDisputed
	case f.allBack(expected):
		return PaymentRefunded
	case f.back() > 0 && expected.Amount > 0:
		return PaymentPartiallyRefunded
	}
	return PaymentCompleted
}

// orderStatus follows from the order's payments. A declined attempt leaves the
// order pending: the customer may try another card on the same session.
func orderStatus(payments []*Payment) Status {
	settled, refunded, open, failed := 0, 0, 0, 0
	for _, p := range payments {
		switch {
		case p.Status == PaymentRefunded:
			settled, refunded = settled+1, refunded+1
		case p.Status.Settled():
			settled++
		case !p.Facts.ended():
			open++
		case p.Facts.AsyncFailed:
			failed++
		}
	}
	switch {
	case settled > 0 && settled == refunded:
		return Refunded
	case settled > 0:
		return Paid
	case open > 0:
		return PaymentPending
	case failed > 0:
		return PaymentFailed
	}
	return Expired
}

// paidTwice reports whether, besides p, another payment of o has the customer's
// money. One that went back in full, or was lost in a dispute, has it no more.
func paidTwice(o *Order, p *Payment) bool {
	return slices.ContainsFunc(o.Payments, func(other *Payment) bool {
		return other != p && other.kept()
	})
}

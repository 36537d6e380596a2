package order

import (
	"slices"
	"strings"
)

// Money is an amount in the currency's minor unit (cents; yen as they are)
// and the lower-case ISO 4217 code.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Facts is everything that events have said of one payment. It only ever
// grows: Join is associative, commutative and idempotent, which is why neither
// the order of arrival nor a duplicate can change where a payment ends.
//
// Slices are sorted sets; the zero value says nothing. The JSON form is
// "Payment".facts, so that a field's name is part of the stored data.
type Facts struct {
	Session string   `json:"session,omitempty"` // Checkout Session, cs_…
	Intent  string   `json:"intent,omitempty"`  // PaymentIntent, pi_…
	Charges []string `json:"charges,omitempty"` // ch_… or py_…

	Evidence       []Money  `json:"evidence,omitempty"`       // money that succeeded and was captured
	Free           bool     `json:"free,omitempty"`           // completed, and there was nothing to pay
	Processing     bool     `json:"processing,omitempty"`     // under way: authorized, or an asynchronous method
	Expired        bool     `json:"expired,omitempty"`        // the session can't be paid any more
	FailedAttempts []string `json:"failedAttempts,omitempty"` // charges that were declined; another may follow
}

// Join is the union of f and g. A payment has one session and one intent, and
// routing keeps it so; where f has none, it takes g's.
func (f Facts) Join(g Facts) Facts {
	if f.Session == "" {
		f.Session = g.Session
	}
	if f.Intent == "" {
		f.Intent = g.Intent
	}
	f.Charges = union(f.Charges, g.Charges, strings.Compare)
	f.Evidence = union(f.Evidence, g.Evidence, compareMoney)
	f.FailedAttempts = union(f.FailedAttempts, g.FailedAttempts, strings.Compare)
	f.Free = f.Free || g.Free
	f.Processing = f.Processing || g.Processing
	f.Expired = f.Expired || g.Expired
	return f
}

// Equal reports whether f and g say the same.
func (f Facts) Equal(g Facts) bool {
	return f.Session == g.Session && f.Intent == g.Intent &&
		f.Free == g.Free && f.Processing == g.Processing && f.Expired == g.Expired &&
		slices.Equal(f.Charges, g.Charges) &&
		slices.Equal(f.Evidence, g.Evidence) &&
		slices.Equal(f.FailedAttempts, g.FailedAttempts)
}

// Objects are the ids of all Stripe objects that the facts name, each of which
// leads to this payment from now on.
func (f Facts) Objects() []string {
	ids := make([]string, 0, 2+len(f.Charges))
	for _, id := range append([]string{f.Session, f.Intent}, f.Charges...) {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// ended reports whether no more money can come through this payment.
func (f Facts) ended() bool { return f.Expired }

// union merges two sets into a new sorted one; it never writes into either.
func union[T comparable](a, b []T, compare func(T, T) int) []T {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, compare)
	return slices.Compact(all)
}

func compareMoney(a, b Money) int {
	if c := strings.Compare(a.Currency, b.Currency); c != 0 {
		return c
	}
	switch {
	case a.Amount < b.Amount:
		return -1
	case a.Amount > b.Amount:
		return 1
	}
	return 0
}

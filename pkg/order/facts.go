package order

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Facts is everything that events have said of one payment, and that it was
// abandoned, which none of them says. It only ever grows: Join is associative,
// commutative and idempotent, which is why neither the order of arrival nor a
// duplicate can change where a payment ends.
//
// Slices are sorted sets, and a map keeps of each id the furthest that was said
// of it; the zero value says nothing. The JSON form is
// "Payment".facts, so that a field's name is part of the stored data.
type Facts struct {
	Session string   `json:"session,omitempty"` // Checkout Session, cs_…
	Intent  string   `json:"intent,omitempty"`  // PaymentIntent, pi_…
	Charges []string `json:"charges,omitempty"` // ch_… or py_…

	Evidence       []Money  `json:"evidence,omitempty"`       // money that succeeded and was captured
	Implied        bool     `json:"implied,omitempty"`        // a refund or dispute exists, so a charge succeeded
	Free           bool     `json:"free,omitempty"`           // completed, and there was nothing to pay
	Processing     bool     `json:"processing,omitempty"`     // under way: authorized, or an asynchronous method
	AsyncFailed    bool     `json:"asyncFailed,omitempty"`    // the asynchronous method failed; no other can follow
	Expired        bool     `json:"expired,omitempty"`        // the session can't be paid any more
	Canceled       bool     `json:"canceled,omitempty"`       // the intent can't be paid any more
	FailedAttempts []string `json:"failedAttempts,omitempty"` // charges that were declined; another may follow
	Abandoned      bool     `json:"abandoned,omitempty"`      // nobody was led to a session in time: what we know, and no event says

	Gross    map[string]int64  `json:"gross,omitempty"`    // by charge: the highest amount_refunded seen, minor units
	Refunds  map[string]Refund `json:"refunds,omitempty"`  // by re_…: as far as it has come
	Disputes map[string]string `json:"disputes,omitempty"` // by dp_…: the status, as far as it has come
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
	f.Implied = f.Implied || g.Implied
	f.Free = f.Free || g.Free
	f.Processing = f.Processing || g.Processing
	f.AsyncFailed = f.AsyncFailed || g.AsyncFailed
	f.Expired = f.Expired || g.Expired
	f.Canceled = f.Canceled || g.Canceled
	f.Abandoned = f.Abandoned || g.Abandoned
	f.Gross = furthest(f.Gross, g.Gross, cmp.Compare)
	f.Refunds = furthest(f.Refunds, g.Refunds, compareRefunds)
	f.Disputes = furthest(f.Disputes, g.Disputes, compareDisputes)
	return f
}

// Equal reports whether f and g say the same.
func (f Facts) Equal(g Facts) bool {
	return f.Session == g.Session && f.Intent == g.Intent &&
		f.Implied == g.Implied && f.Free == g.Free && f.Processing == g.Processing &&
		f.AsyncFailed == g.AsyncFailed && f.Expired == g.Expired && f.Canceled == g.Canceled && f.Abandoned == g.Abandoned &&
		slices.Equal(f.Charges, g.Charges) &&
		slices.Equal(f.Evidence, g.Evidence) &&
		slices.Equal(f.FailedAttempts, g.FailedAttempts) &&
		maps.Equal(f.Gross, g.Gross) &&
		maps.Equal(f.Refunds, g.Refunds) &&
		maps.Equal(f.Disputes, g.Disputes)
}

// Objects are the ids of all Stripe objects that the facts name, each of which
// leads to this payment from now on. Refunds and disputes are among them: later
// events about them need not say more than their own id.
func (f Facts) Objects() []string {
	ids := make([]string, 0, 2+len(f.Charges)+len(f.Refunds)+len(f.Disputes))
	for _, id := range append([]string{f.Session, f.Intent}, f.Charges...) {
		if id != "" {
			ids = append(ids, id)
		}
	}
	ids = append(ids, slices.Sorted(maps.Keys(f.Refunds))...)
	return append(ids, slices.Sorted(maps.Keys(f.Disputes))...)
}

// ended reports whether no more money can come through this payment. A declined
// attempt does not end it: the customer may try another card.
func (f Facts) ended() bool { return f.AsyncFailed || f.Expired || f.Canceled || f.Abandoned }

// paid reports whether the payment is settled: the money that was asked for has
// come, or a refund or a dispute proves that some has. Other money alone settles
// nothing, until all of it has gone back: nobody has to decide on it any more.
func (f Facts) paid(asked Money) bool {
	return f.Implied || slices.Contains(f.Evidence, asked) || f.Free && asked.Amount == 0 || len(f.Evidence) > 0 && f.allBack(asked)
}

// came is how much there is to go back, in minor units: what was asked for, or if
// only other money is known of, as much as that was. Several events tell of the
// same money; should they differ, the least counts, so that what has gone back
// altogether stays so whatever else is heard of.
func (f Facts) came(asked Money) int64 {
	if len(f.Evidence) == 0 || slices.Contains(f.Evidence, asked) {
		return asked.Amount
	}
	return slices.MinFunc(f.Evidence, func(a, b Money) int { return cmp.Compare(a.Amount, b.Amount) }).Amount
}

// furthest merges two maps, of each key the larger value; it never writes into
// either.
func furthest[V any](a, b map[string]V, compare func(V, V) int) map[string]V {
	if len(b) == 0 {
		return a
	}
	all := make(map[string]V, len(a)+len(b))
	maps.Copy(all, a)
	for key, v := range b {
		if known, ok := all[key]; !ok || compare(known, v) < 0 {
			all[key] = v
		}
	}
	return all
}

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
	return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Amount, b.Amount))
}

// Package order decides what a Stripe event does to an order: pure code, no
// clock, no database. apply.go is the rule itself, facts.go what is remembered
// of a payment, reversal.go how money goes back, status.go what follows from it
// all, book.go how a batch of events finds its payments. states.md draws the
// states and every move between them.
package order

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"tillhook/pkg/event"
)

// Order is one "Order" row with its payments.
type Order struct {
	ID           string
	RestaurantID string
	Status       Status
	Payments     []*Payment
}

// Payment is one "Payment" row. Expected is what the customer was asked for
// when it was made, and never changes.
type Payment struct {
	ID                string
	OrderID           string
	RestaurantID      string
	Status            PaymentStatus
	ProviderPaymentID string // the intent once it is known, till then the session
	Session           string // the session that ProviderPaymentID was before the intent, until Facts name it
	Expected          Money
	Livemode          bool
	ModeUnknown       bool // nobody has said which mode it is in: the first event does
	Facts             Facts
}

// Contribution is what one event says, read from its object's content. It
// depends on the event's bytes alone.
type Contribution struct {
	Ignored bool  // says nothing about an order; the rest is empty
	Facts   Facts // what it adds to its payment

	RestaurantID   string // metadata.restaurantId, "" if the object has none
	OrderID        string // metadata.orderId, else client_reference_id
	PaymentID      string // metadata.paymentId
	Account        string // the Connect account that the event is about, "" for the endpoint's own
	ObjectLivemode *bool  // the object's own livemode, nil where it has none
}

// Entry is a verified event with its contribution. RestaurantID is that of the
// secret that verified it: it bounds everything that the event can reach.
type Entry struct {
	EventID      string
	Type         string
	RestaurantID string
	Account      string // the Connect account in the restaurant's configuration, "" if none
	Livemode     bool
	Contribution
}

// NewEntry is a stored event with what it contributes.
func NewEntry(e event.Stored, c Contribution) Entry {
	return Entry{EventID: e.ID, Type: e.Type, RestaurantID: e.RestaurantID, Account: e.Account, Livemode: e.Livemode, Contribution: c}
}

// Work is an attempt at an event, with what reading the event came to.
type Work struct {
	event.Attempt
	Entry Entry
	Err   error // why the event contributes nothing, if it can't be read
}

// SecondPayment is the reason of the transition by which a payment has the money
// of an order, for the first time or again, while another payment has it already.
// Nothing is wrong with the event, and the order is PAID once; but the customer
// has paid twice, and somebody has to give one of the two back.
const SecondPayment = "second payment of a paid order: refund one"

// Transition is one recorded change of an order or its payment. Reason is the
// event's type, or SecondPayment.
type Transition struct {
	OrderID, PaymentID, EventID string
	OrderFrom, OrderTo          Status
	PaymentFrom, PaymentTo      PaymentStatus
	Reason                      string
}

// Result is what became of one entry. Err decides on what follows: nil means
// COMPLETED with Outcome, a permanent one FAILED, any other another attempt.
// A Transition may come with a permanent error: money of the wrong amount is
// remembered and still needs a human.
type Result struct {
	OrderID    string // the order that the event is about, "" if it leads to none
	Outcome    event.Outcome
	Transition *Transition
	Err        error
}

// ErrAmount says that money came in which is not the money that was asked for.
var ErrAmount = errors.New("amount or currency is not what the order asked for")

// Apply joins what e says into p, one of o's payments, and recomputes both
// states from the facts. What they were before counts only where an operator has
// settled something without facts (nextPaymentStatus), so that any order of
// arrival, with any duplicates, ends in the same place.
func Apply(o *Order, p *Payment, e Entry) Result {
	if err := guard(o, p, e); err != nil {
		return Result{Err: event.Permanent(err)}
	}
	kept := p.kept()
	joined := p.Facts.Join(e.Facts)
	news := !joined.Equal(p.Facts)
	t := Transition{
		OrderID: o.ID, PaymentID: p.ID, EventID: e.EventID, Reason: e.Type,
		OrderFrom: o.Status, PaymentFrom: p.Status,
	}
	p.Facts = joined
	p.Livemode, p.ModeUnknown = e.Livemode, false
	name := p.ProviderPaymentID // an intent gives way to none but an intent
	if joined.Intent != "" || !strings.HasPrefix(name, "pi_") {
		name = cmp.Or(joined.Intent, joined.Session, name)
	}
	p.rename(name)
	p.Status = nextPaymentStatus(p)
	o.Status = nextStatus(o)
	t.OrderTo, t.PaymentTo = o.Status, p.Status
	if !kept && p.kept() && paidTwice(o, p) {
		t.Reason = SecondPayment
	}

	r := Result{Outcome: event.NoChange}
	if news {
		r.Outcome = event.Applied
	}
	if t.OrderFrom != t.OrderTo || t.PaymentFrom != t.PaymentTo {
		r.Transition, r.Outcome = &t, event.Applied
	}
	r.Err = event.Permanent(checkMoney(e.Facts, p.Expected))
	return r
}

// checkMoney compares what one event says was paid with what was asked for.
func checkMoney(f Facts, asked Money) error {
	for _, m := range f.Evidence {
		if m != asked {
			return fmt.Errorf("%w: %s, asked for %s", ErrAmount, m, asked)
		}
	}
	if f.Free && asked.Amount != 0 {
		return fmt.Errorf("%w: nothing to pay, asked for %s", ErrAmount, asked)
	}
	return nil
}

// guardTenant refuses an event that is another restaurant's by its own word.
func guardTenant(e Entry) error {
	if id := e.Contribution.RestaurantID; id != "" && id != e.RestaurantID {
		return errors.New("metadata.restaurantId names another restaurant than the one whose secret signed the event")
	}
	if account := e.Contribution.Account; account != "" && account != e.Account {
		return fmt.Errorf("the event is of the Connect account %s, which is not the restaurant's", account)
	}
	return nil
}

// guard compares e with values that were fixed when the payment was made. What
// fails here is recorded with the event and changes nothing.
func guard(o *Order, p *Payment, e Entry) error {
	if err := guardTenant(e); err != nil {
		return err
	}
	switch {
	case o.RestaurantID != e.RestaurantID || p.RestaurantID != e.RestaurantID:
		return errors.New("the payment belongs to another restaurant than the one whose secret signed the event")
	case e.OrderID != "" && e.OrderID != o.ID:
		return fmt.Errorf("metadata names order %s, but the payment belongs to order %s", e.OrderID, o.ID)
	case e.ObjectLivemode != nil && *e.ObjectLivemode != e.Livemode:
		return errors.New("livemode of the event and of its object differ")
	case e.Livemode != p.Livemode && !p.ModeUnknown:
		return fmt.Errorf("event has livemode %t, the payment has %t", e.Livemode, p.Livemode)
	}
	return nil
}

// nextPaymentStatus keeps a settled payment settled. Facts alone can't undo
// one; an operator who settled it by hand, without facts, is the case.
func nextPaymentStatus(p *Payment) PaymentStatus {
	next := paymentStatus(p.Facts, p.Expected)
	if p.Status.Settled() && !next.Settled() {
		return p.Status
	}
	return next
}

// nextStatus leaves the restaurant's own states alone, and keeps a paid order
// paid for the same reason as nextPaymentStatus.
func nextStatus(o *Order) Status {
	// Without a payment there is nothing to follow from: the order waits for
	// somebody to begin one, or was given up.
	if !o.Status.drivenByPayments() || len(o.Payments) == 0 {
		return o.Status
	}
	next := orderStatus(o.Payments)
	paid := o.Status == Paid || o.Status == Refunded
	if paid && next != Paid && next != Refunded {
		return o.Status
	}
	return next
}

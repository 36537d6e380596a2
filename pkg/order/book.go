package order

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tillhook/pkg/event"
)

// ErrUnknownPayment says that nothing known leads from the event to a payment
// of its restaurant. It is worth waiting: the event may have overtaken the
// payment's own transaction, or the event that links its ids.
var ErrUnknownPayment = errors.New("no payment of this restaurant is known yet for the event")

// ErrBusy says that the event's order is held by another transaction.
var ErrBusy = errors.New("the order is being changed by somebody else")

// ErrForeign says that the event names what is another restaurant's. Waiting
// can't mend that.
var ErrForeign = errors.New("the event names another restaurant's")

// Link says that a Stripe object belongs to a payment. Object ids are looked
// up within one restaurant only: a restaurant can sign events that name
// anybody's ids.
type Link struct {
	RestaurantID string
	ObjectID     string
}

// Book is the part of the world that a batch of events can reach, read by the
// caller, who afterwards stores what Changes says, unless somebody else has changed
// what was read.
type Book struct {
	orders   map[string]*Order
	payments map[string]*Payment
	links    map[Link]string // payment id
	busy     map[Link]bool   // names that lead to an order which somebody else holds
	changes  Changes
}

// Changes is what a batch did, in the order in which it did it.
type Changes struct {
	Orders      []*Order
	Payments    []*Payment
	Links       map[Link]string // new ones only
	Transitions []Transition
}

// NewBook makes a book of orders, each with its payments, and of known links.
func NewBook(orders []*Order, links map[Link]string) *Book {
	b := &Book{
		orders:   make(map[string]*Order, len(orders)),
		payments: make(map[string]*Payment, len(orders)),
		links:    make(map[Link]string, len(links)),
		busy:     map[Link]bool{},
		changes:  Changes{Links: map[Link]string{}},
	}
	for _, o := range orders {
		b.orders[o.ID] = o
		for _, p := range o.Payments {
			b.payments[p.ID] = p
		}
	}
	for l, id := range links {
		b.links[l] = id
	}
	return b
}

// Busy says that a name, an object's, order's or payment's id, leads to an
// order that is not in the book because somebody else holds it just now.
func (b *Book) Busy(name Link) { b.busy[name] = true }

// Changes is what the calls of Settle so far have to be stored.
func (b *Book) Changes() Changes { return b.changes }

// Settle applies entries in their order and answers with one result for each.
// An entry that can't be placed is tried again after the others: one of them
// may have taught the book the id that leads to its payment.
func (b *Book) Settle(entries []Entry) []Result {
	results := make([]Result, len(entries))
	open := make([]int, len(entries))
	for i := range entries {
		open[i] = i
	}
	for progress := true; progress && len(open) > 0; {
		progress = false
		var waiting []int
		for _, i := range open {
			results[i] = b.settle(entries[i])
			if errors.Is(results[i].Err, ErrUnknownPayment) {
				waiting = append(waiting, i)
				continue
			}
			progress = true
		}
		open = waiting
	}
	return results
}

func (b *Book) settle(e Entry) Result {
	if e.Ignored {
		return Result{Outcome: event.Ignored}
	}
	p, err := b.route(e)
	if err != nil {
		// What is another's by its own word will not be found later either.
		if foreign := guardTenant(e); foreign != nil {
			err = event.Permanent(foreign)
		}
		return Result{Err: err}
	}
	o := b.orders[p.OrderID]
	r := Apply(o, p, e)
	r.OrderID = o.ID
	if r.Outcome == event.Applied {
		b.record(o, p, r.Transition)
	}
	return r
}

// record notes what has to be stored. Only the first sighting of an object
// links it; routing has made sure that it is not another payment's.
func (b *Book) record(o *Order, p *Payment, t *Transition) {
	if !slices.Contains(b.changes.Payments, p) {
		b.changes.Payments = append(b.changes.Payments, p)
	}
	for _, id := range p.Facts.Objects() {
		l := Link{p.RestaurantID, id}
		if _, known := b.links[l]; !known {
			b.links[l] = p.ID
			b.changes.Links[l] = p.ID
		}
	}
	if t == nil {
		return
	}
	b.changes.Transitions = append(b.changes.Transitions, *t)
	if t.OrderFrom != t.OrderTo && !slices.Contains(b.changes.Orders, o) {
		b.changes.Orders = append(b.changes.Orders, o)
	}
}

// route finds the payment: by the session, the intent, the charge, and only
// then by what the metadata says.
func (b *Book) route(e Entry) (*Payment, error) {
	objects := e.Facts.Objects()
	for _, id := range append(objects, e.PaymentID, e.OrderID) {
		if b.busy[Link{e.RestaurantID, id}] {
			return nil, event.Unavailable(ErrBusy)
		}
	}
	for _, id := range objects {
		if p := b.payments[b.links[Link{e.RestaurantID, id}]]; p != nil {
			return p, nil
		}
	}
	// A payment that is named is the one, even if it is not there yet: any
	// other would be right in one order of arrival only.
	if e.PaymentID != "" {
		if p := b.payments[e.PaymentID]; p != nil && p.RestaurantID == e.RestaurantID && !conflicts(p, e.Facts) {
			return p, nil
		}
		return nil, fmt.Errorf("%w (%s)", ErrUnknownPayment, describe(e))
	}
	if o := b.orders[e.OrderID]; o != nil && o.RestaurantID == e.RestaurantID {
		var fit []*Payment
		for _, p := range o.Payments {
			if !conflicts(p, e.Facts) {
				fit = append(fit, p)
			}
		}
		// With two it would depend on the order of arrival which one is
		// meant; the event waits for the one that links its ids.
		if len(fit) == 1 {
			return fit[0], nil
		}
	}
	return nil, fmt.Errorf("%w (%s)", ErrUnknownPayment, describe(e))
}

// conflicts reports whether p is already another session's or intent's.
func conflicts(p *Payment, f Facts) bool {
	session, intent := p.CheckoutSession(), p.Facts.Intent
	// Before the first event, only the column says which intent it is.
	if intent == "" && strings.HasPrefix(p.ProviderPaymentID, "pi_") {
		intent = p.ProviderPaymentID
	}
	return session != "" && f.Session != "" && session != f.Session ||
		intent != "" && f.Intent != "" && intent != f.Intent
}

func describe(e Entry) string {
	s := fmt.Sprint("objects ", e.Facts.Objects())
	if e.OrderID != "" {
		s += ", order " + e.OrderID
	}
	if e.PaymentID != "" {
		s += ", payment " + e.PaymentID
	}
	return s
}

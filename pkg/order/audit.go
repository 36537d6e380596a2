package order

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tillhook/pkg/event"
)

// Recorded is an order as its tables have it.
type Recorded struct {
	*Order
	AmountRefunded map[string]int64  // "Payment"."amountRefunded" by payment, minor units
	Links          map[string]string // object id to payment id, as far as they lead to the order's payments
	Complete       bool              // none of its events has been dropped for its age
}

// Mend says how a difference can be mended.
type Mend string

// What mends a difference.
const (
	MendRecompute Mend = "recompute" // write what the events say
	MendReplay    Mend = "replay"    // put the event through the worker again
	MendByHuman   Mend = "human"     // nobody knows what is right
)

// Difference is one place where the tables are not what the stored events make
// of them.
type Difference struct {
	OrderID   string `json:"orderId,omitempty"`
	PaymentID string `json:"paymentId,omitempty"`
	EventID   string `json:"eventId,omitempty"` // ours
	Text      string `json:"difference"`
	Mend      Mend   `json:"mend"`
	ByHand    bool   `json:"byHand,omitempty"` // an operator's own settling, which the product respects
}

// Auditor folds stored events anew, beginning from nothing, and compares what
// comes out with what is recorded. Events may come in any order.
type Auditor struct {
	recorded    []Recorded
	fresh       *Book
	folded      map[string]*Payment
	unfinished  map[string]bool // orders with an event under way
	unplaced    []seen
	differences []Difference
}

type seen struct {
	Entry
	status  event.Status
	orderID string
}

// NewAuditor audits the orders given.
func NewAuditor(recorded []Recorded) *Auditor {
	a := &Auditor{recorded: recorded, folded: map[string]*Payment{}, unfinished: map[string]bool{}}
	orders := make([]*Order, 0, len(recorded))
	links := map[Link]string{}
	for _, r := range recorded {
		o := &Order{ID: r.ID, RestaurantID: r.RestaurantID, Status: PaymentPending}
		for _, p := range r.Payments {
			fresh := *p
			fresh.Status, fresh.Facts = PaymentIsPending, Facts{}
			// What it was made with was known before any event: another session's are not its own.
			fresh.Session = p.CheckoutSession()
			o.Payments = append(o.Payments, &fresh)
			a.folded[p.ID] = &fresh
		}
		for object, payment := range r.Links {
			links[Link{r.RestaurantID, object}] = payment
		}
		orders = append(orders, o)
	}
	a.fresh = NewBook(orders, links)
	return a
}

// See folds one stored event of one of the orders; orderID is what is recorded
// with it. readErr is why its body contributes nothing, if it doesn't.
func (a *Auditor) See(e Entry, status event.Status, orderID string, readErr error) {
	if status == event.Processing {
		a.unfinished[orderID] = true
		return
	}
	s := seen{e, status, orderID}
	if readErr != nil {
		a.compare(s, Result{Err: readErr})
		return
	}
	r := a.fresh.settle(e)
	if errors.Is(r.Err, ErrUnknownPayment) { // another event may teach its ids
		a.unplaced = append(a.unplaced, s)
		return
	}
	a.compare(s, r)
}

// compare checks an event's own end.
func (a *Auditor) compare(s seen, r Result) {
	d := Difference{OrderID: s.orderID, EventID: s.EventID, Mend: MendReplay}
	if d.Text = CompareEnd(s.status, s.orderID, r); d.Text != "" {
		a.differences = append(a.differences, d)
	}
}

// CompareEnd says how an event's recorded end differs from what its fold came
// to, "" if it doesn't. orderID is the order recorded with the event.
func CompareEnd(status event.Status, orderID string, r Result) string {
	switch {
	case r.Err == nil && status == event.Failed:
		return "the event is FAILED, and could be applied now"
	case r.Err != nil && status == event.Completed:
		return "the event is COMPLETED, and should have FAILED: " + r.Err.Error()
	case r.Err == nil && r.OrderID != orderID:
		return fmt.Sprintf("the event is about order %s, recorded is %s", cmp.Or(r.OrderID, "none"), cmp.Or(orderID, "none"))
	}
	return ""
}

// Unfinished is how many of the orders have an event under way. They are not
// compared: they would differ in a moment.
func (a *Auditor) Unfinished() int { return len(a.unfinished) }

// Folded is what the events say of the payments of one order.
func (a *Auditor) Folded(orderID string) map[string]Facts {
	facts := map[string]Facts{}
	for id, p := range a.folded {
		if p.OrderID == orderID {
			facts[id] = p.Facts
		}
	}
	return facts
}

// Differences compares, once all events were seen.
func (a *Auditor) Differences() []Difference {
	for progress := true; progress; {
		open := a.unplaced
		a.unplaced = nil
		for _, s := range open {
			a.See(s.Entry, s.status, s.orderID, nil)
		}
		progress = len(a.unplaced) < len(open)
	}
	for _, s := range a.unplaced {
		a.compare(s, Result{Err: ErrUnknownPayment})
	}
	for _, r := range a.recorded {
		if !a.unfinished[r.ID] {
			a.compareOrder(r)
		}
	}
	all := slices.DeleteFunc(a.differences, func(d Difference) bool { return a.unfinished[d.OrderID] })
	slices.SortStableFunc(all, func(x, y Difference) int { return strings.Compare(x.OrderID, y.OrderID) })
	return all
}

func (a *Auditor) compareOrder(r Recorded) {
	joined := &Order{ID: r.ID, RestaurantID: r.RestaurantID, Status: r.Status}
	for _, p := range r.Payments {
		next := *p
		next.Facts = p.Facts.Join(a.folded[p.ID].Facts)
		joined.Payments = append(joined.Payments, &next)
	}
	recompute(joined)
	for i, p := range r.Payments {
		a.comparePayment(r, p, joined.Payments[i])
	}
	d := Difference{OrderID: r.ID, Mend: MendRecompute}
	switch plain := orderStatus(joined.Payments); {
	case r.Status != joined.Status:
		d.Text = fmt.Sprintf("order is %s, its payments make it %s", r.Status, joined.Status)
	case r.Status.drivenByPayments() && len(r.Payments) > 0 && r.Status != plain:
		d.Text, d.ByHand, d.Mend = fmt.Sprintf("order is %s by hand, its payments make it %s", r.Status, plain), true, MendByHuman
	default:
		return
	}
	a.differences = append(a.differences, d)
}

// comparePayment compares p, as recorded, with next, which has the facts of
// both and the state that follows from them.
func (a *Auditor) comparePayment(r Recorded, p, next *Payment) {
	tell := func(mend Mend, format string, args ...any) {
		a.differences = append(a.differences, Difference{OrderID: r.ID, PaymentID: p.ID, Text: fmt.Sprintf(format, args...), Mend: mend})
	}
	folded := a.folded[p.ID].Facts
	if missing := next.Facts.beyond(p.Facts); missing != "" {
		tell(MendRecompute, "events say what is not recorded: %s", missing)
	}
	if extra := next.Facts.beyond(folded); extra != "" && r.Complete {
		tell(MendByHuman, "no stored event says what is recorded: %s", extra)
	}
	for _, l := range []struct{ what, recorded, folded string }{
		{"session", p.Facts.Session, folded.Session}, {"intent", p.Facts.Intent, folded.Intent},
	} {
		if l.recorded != "" && l.folded != "" && l.recorded != l.folded {
			tell(MendByHuman, "%s is %s, its events name %s", l.what, l.recorded, l.folded)
		}
	}
	if p.Status != next.Status {
		tell(MendRecompute, "payment is %s, its facts make it %s", p.Status, next.Status)
	} else if plain := paymentStatus(next.Facts, p.Expected); p.Status != plain {
		tell(MendByHuman, "payment is %s by hand, its facts make it %s", p.Status, plain)
		a.differences[len(a.differences)-1].ByHand = true
	}
	if got, want := r.AmountRefunded[p.ID], next.Refunded(); got != want {
		tell(MendRecompute, "amountRefunded is %d, its facts make it %d", got, want)
	}
	if intent := next.Facts.Intent; intent != "" && p.ProviderPaymentID != intent {
		tell(MendRecompute, "providerPaymentId is %s, its intent is %s", cmp.Or(p.ProviderPaymentID, "empty"), intent)
	}
	for _, id := range next.Facts.Objects() {
		switch to := r.Links[id]; to {
		case p.ID:
		case "":
			tell(MendRecompute, "%s doesn't lead to it", id)
		default:
			tell(MendByHuman, "%s leads to payment %s", id, to)
		}
	}
}

// recompute brings the states of o in line with its payments' facts.
func recompute(o *Order) {
	for _, p := range o.Payments {
		if p.Facts.Intent != "" {
			p.rename(p.Facts.Intent)
		}
		p.Status = nextPaymentStatus(p)
	}
	o.Status = nextStatus(o)
}

// Recompute joins facts, by payment, into o and brings all states in line: the
// remedy for MendRecompute. reason is that of the transitions.
func Recompute(o *Order, facts map[string]Facts, reason string) Changes {
	c := Changes{Links: map[Link]string{}, Payments: o.Payments}
	was := make([]PaymentStatus, len(o.Payments))
	before := o.Status
	for i, p := range o.Payments {
		was[i] = p.Status
		p.Facts = p.Facts.Join(facts[p.ID])
		for _, id := range p.Facts.Objects() {
			c.Links[Link{p.RestaurantID, id}] = p.ID
		}
	}
	recompute(o)
	if before != o.Status {
		c.Orders = []*Order{o}
	}
	for i, p := range o.Payments {
		t := Transition{
			OrderID: o.ID, PaymentID: p.ID, Reason: reason,
			OrderFrom: before, OrderTo: o.Status, PaymentFrom: was[i], PaymentTo: p.Status,
		}
		if t.OrderFrom != t.OrderTo || t.PaymentFrom != t.PaymentTo {
			c.Transitions = append(c.Transitions, t)
		}
		before = o.Status // the first row tells of the order
	}
	return c
}

// beyond names what f has and g has not, "" if there is nothing.
func (f Facts) beyond(g Facts) string {
	var names []string
	add := func(more bool, name string) {
		if more {
			names = append(names, name)
		}
	}
	joined := g.Join(f)
	add(joined.Session != g.Session, "session "+joined.Session)
	add(joined.Intent != g.Intent, "intent "+joined.Intent)
	add(len(joined.Charges) > len(g.Charges), "charges")
	for _, m := range joined.Evidence {
		add(!slices.Contains(g.Evidence, m), m.String()+" received")
	}
	add(joined.Implied != g.Implied, "a charge that succeeded")
	add(joined.Free != g.Free, "nothing to pay")
	add(joined.Processing != g.Processing, "processing")
	add(joined.AsyncFailed != g.AsyncFailed, "asynchronous payment failed")
	add(joined.Expired != g.Expired, "expired")
	add(joined.Canceled != g.Canceled, "canceled")
	add(len(joined.FailedAttempts) > len(g.FailedAttempts), "declined attempts")
	add(!(Facts{Gross: joined.Gross}).Equal(Facts{Gross: g.Gross}), "refunded amount of a charge")
	add(!(Facts{Refunds: joined.Refunds}).Equal(Facts{Refunds: g.Refunds}), "refunds")
	add(!(Facts{Disputes: joined.Disputes}).Equal(Facts{Disputes: g.Disputes}), "disputes")
	return strings.Join(names, ", ")
}

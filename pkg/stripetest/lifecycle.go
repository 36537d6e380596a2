package stripetest

import (
	"slices"

	"tillhook/pkg/order"
)

// Lifecycle is a story that Stripe can tell about one payment, and the states
// in which the order and the payment must be once all of it has been told, in
// any order, with any repetition.
type Lifecycle struct {
	Name    string
	Events  func(f *Factory, p Payment) []Event
	Order   order.Status
	Payment order.PaymentStatus
}

// Lifecycles are the stories of a payment whose order asks for p.Amount in
// p.Currency, more than 0.
func Lifecycles() []Lifecycle {
	return []Lifecycle{
		{"paid", paid, order.Paid, order.PaymentCompleted},
		{"charge only", func(f *Factory, p Payment) []Event {
			return []Event{f.ChargeSucceeded(p)}
		}, order.Paid, order.PaymentCompleted},
		{"session only", func(f *Factory, p Payment) []Event {
			return []Event{f.CheckoutCompleted(p)}
		}, order.Paid, order.PaymentCompleted},
		{"unpaid", func(f *Factory, p Payment) []Event {
			return []Event{f.CheckoutUnpaid(p)}
		}, order.PaymentPending, order.PaymentProcessing},
		{"unpaid, then charged", func(f *Factory, p Payment) []Event {
			return []Event{f.CheckoutUnpaid(p), f.ChargeSucceeded(p)}
		}, order.Paid, order.PaymentCompleted},
		{"authorized", func(f *Factory, p Payment) []Event {
			return []Event{f.ChargeAuthorized(p), f.CheckoutUnpaid(p)}
		}, order.PaymentPending, order.PaymentProcessing},
		{"expired", func(f *Factory, p Payment) []Event {
			return []Event{f.CheckoutExpired(p)}
		}, order.Expired, order.PaymentExpired},
		{"declined", func(f *Factory, p Payment) []Event {
			return []Event{f.ChargeFailed(p), f.ChargeFailed(p)}
		}, order.PaymentPending, order.PaymentIsFailed},
		{"declined, then paid", func(f *Factory, p Payment) []Event {
			return append([]Event{f.ChargeFailed(p)}, paid(f, p)...)
		}, order.Paid, order.PaymentCompleted},
		{"declined, then expired", func(f *Factory, p Payment) []Event {
			return []Event{f.ChargeFailed(p), f.CheckoutExpired(p)}
		}, order.Expired, order.PaymentExpired},
		{"expired and paid", func(f *Factory, p Payment) []Event {
			// A contradiction; the money wins.
			return append(paid(f, p), f.CheckoutExpired(p))
		}, order.Paid, order.PaymentCompleted},
		{"paid, delivered twice", func(f *Factory, p Payment) []Event {
			events := paid(f, p)
			return append(events, events...)
		}, order.Paid, order.PaymentCompleted},
		{"paid, two events for each change", func(f *Factory, p Payment) []Event {
			// Stripe warns of it: other event ids, the same objects.
			return append(paid(f, p), paid(f, p)...)
		}, order.Paid, order.PaymentCompleted},
		{"paid, with noise", func(f *Factory, p Payment) []Event {
			noise := []Event{f.Other(p, "customer.created"), f.Other(p, "product.updated")}
			return append(noise, paid(f, p)...)
		}, order.Paid, order.PaymentCompleted},
		{"noise only", func(f *Factory, p Payment) []Event {
			return []Event{f.Other(p, "customer.created"), f.Other(p, "payment_link.created")}
		}, order.PaymentPending, order.PaymentIsPending},
	}
}

func paid(f *Factory, p Payment) []Event {
	return []Event{f.ChargeSucceeded(p), f.CheckoutCompleted(p)}
}

// Shuffle is events in an order that depends on the factory's seed only.
func (f *Factory) Shuffle(events []Event) []Event {
	events = slices.Clone(events)
	f.rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

// Duplicate is events with each of them there once, twice or three times in a
// row, at random. Shuffle it for repetitions that come late.
func (f *Factory) Duplicate(events []Event) []Event {
	many := make([]Event, 0, 3*len(events))
	for _, e := range events {
		for range 1 + f.rand.IntN(3) {
			many = append(many, e)
		}
	}
	return many
}

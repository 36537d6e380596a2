package stripetest

import (
	"slices"

	"tillhook/pkg/order"
)

// Lifecycle is a story that Stripe can tell about one payment, and the states
// in which the order and the payment must be once all of it has been told, in
// any order, with any repetition.
type Lifecycle struct {
	Name     string
	Events   func(f *Factory, p Payment) []Event
	Order    order.Status
	Payment  order.PaymentStatus
	Refunded int64   // how much of p.Amount has gone back, in hundredths of it
	Second   *Second // nil where the order has one payment only
}

// Second is what happens to a second payment of the same order, such as
// Factory.Again draws. It is told together with the first.
type Second struct {
	Events   func(f *Factory, p Payment) []Event
	Payment  order.PaymentStatus
	Refunded int64 // like Lifecycle's
}

// Back is hundredths of p's amount, in minor units, as the lifecycles reckon.
func Back(p Payment, hundredths int64) int64 { return p.Amount * hundredths / 100 }

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

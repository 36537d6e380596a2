package dev

import (
	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

// script is a story to be told of several orders.
type script struct {
	name      string
	lifecycle string // of stripetest
	shuffle   bool
	duplicate bool
	forged    bool
}

// scripts are what a day at the till brings.
func scripts() []script {
	return []script{
		{name: "paid", lifecycle: "paid"},
		{name: "not paid yet", lifecycle: "unpaid"},
		{name: "expired", lifecycle: "expired"},
		{name: "declined, then paid", lifecycle: "declined, then paid"},
		{name: "every event twice", lifecycle: "paid", duplicate: true},
		{name: "out of order", lifecycle: "declined, then paid", shuffle: true},
		{name: "badly signed", lifecycle: "paid", forged: true},
		{name: "out of order, twice", lifecycle: "unpaid, then charged", shuffle: true, duplicate: true},
		{name: "declined", lifecycle: "declined"},
		{name: "paid, with noise", lifecycle: "paid, with noise", shuffle: true},
	}
}

func (s script) scene(f *stripetest.Factory, p stripetest.Payment) *scene {
	sc := &scene{story: s.name, payment: p, forged: s.forged}
	for _, l := range stripetest.Lifecycles() {
		if l.Name == s.lifecycle {
			sc.events, sc.wantOrder, sc.wantPayment = l.Events(f, p), l.Order, l.Payment
		}
	}
	if s.duplicate {
		sc.events = append(sc.events, sc.events...)
	}
	if s.shuffle {
		sc.events = f.Shuffle(sc.events)
	}
	if s.forged {
		sc.wantOrder, sc.wantPayment = order.PaymentPending, order.PaymentIsPending
	}
	return sc
}

package dev

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripetest"
)

// single are the types of which one event can be sent alone.
var single = []struct {
	eventType string
	event     func(*stripetest.Factory, stripetest.Payment) stripetest.Event
}{
	{"checkout.session.completed", (*stripetest.Factory).CheckoutCompleted},
	{"checkout.session.expired", (*stripetest.Factory).CheckoutExpired},
	{"checkout.session.async_payment_succeeded", (*stripetest.Factory).AsyncSucceeded},
	{"checkout.session.async_payment_failed", (*stripetest.Factory).AsyncFailed},
	{"charge.succeeded", (*stripetest.Factory).ChargeSucceeded},
	{"charge.failed", (*stripetest.Factory).ChargeFailed},
	{"charge.refunded", func(f *stripetest.Factory, p stripetest.Payment) stripetest.Event {
		return f.ChargeRefunded(p, p.Amount)
	}},
	{"charge.dispute.created", func(f *stripetest.Factory, p stripetest.Payment) stripetest.Event {
		return f.DisputeEvent("created", p, f.Dispute("needs_response"))
	}},
	{"payment_intent.succeeded", (*stripetest.Factory).IntentSucceeded},
	{"payment_intent.processing", (*stripetest.Factory).IntentProcessing},
	{"payment_intent.payment_failed", func(f *stripetest.Factory, p stripetest.Payment) stripetest.Event { return f.Declined(p)[1] }},
	{"payment_intent.canceled", (*stripetest.Factory).IntentCanceled},
	{"refund.created", func(f *stripetest.Factory, p stripetest.Payment) stripetest.Event {
		return f.RefundEvent("refund.created", p, f.Refund(p.Amount))
	}},
}

// oneSession are the stories of an order with one payment.
func oneSession() (all []stripetest.Lifecycle) {
	for _, l := range stripetest.Lifecycles() {
		if l.Second == nil {
			all = append(all, l)
		}
	}
	return all
}

// storyNamed finds a story, or makes one of a single event, which may end anywhere.
// A type that means nothing to an order is one, too.
func storyNamed(name string) (stripetest.Lifecycle, error) {
	for _, l := range oneSession() {
		if l.Name == name {
			return l, nil
		}
	}
	for _, s := range single {
		if s.eventType == name {
			return alone(s.event), nil
		}
	}
	if !strings.Contains(name, ".") {
		return stripetest.Lifecycle{}, fmt.Errorf("there is no story %q: go run ./cmd/dev trigger lists them", name)
	}
	return alone(func(f *stripetest.Factory, p stripetest.Payment) stripetest.Event { return f.Other(p, name) }), nil
}

func alone(tell func(*stripetest.Factory, stripetest.Payment) stripetest.Event) stripetest.Lifecycle {
	return stripetest.Lifecycle{Events: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
		return []stripetest.Event{tell(f, p)}
	}}
}

func listStories(w io.Writer) error {
	fmt.Fprint(w, "Stories, and where they end:\n")
	for _, l := range oneSession() {
		fmt.Fprintf(w, "  %-45s %s, %s\n", l.Name, l.Order, l.Payment)
	}
	fmt.Fprint(w, "Types; any other is sent, too, and means nothing to an order:\n")
	for _, s := range single {
		fmt.Fprintf(w, "  %s\n", s.eventType)
	}
	return nil
}

// paymentOf is an order's newest payment as Stripe would know it: by the ids that
// events have named.
func paymentOf(f *stripetest.Factory, s postgres.OrderStory) (p stripetest.Payment, err error) {
	of := s.Payments[len(s.Payments)-1]
	var facts order.Facts
	if err := json.Unmarshal(of.Facts, &facts); err != nil {
		return p, fmt.Errorf("reading the facts of payment %s: %w", of.ID, err)
	}
	p = f.Payment(s.RestaurantID, s.ID, of.ID, of.Amount, of.Currency)
	if of.Livemode != nil && *of.Livemode {
		p = p.Live()
	}
	for _, id := range []string{of.ProviderID, facts.Session, facts.Intent} {
		switch {
		case strings.HasPrefix(id, "cs_"):
			p.Session = id
		case strings.HasPrefix(id, "pi_"):
			p.Intent = id
		}
	}
	if len(facts.Charges) > 0 {
		p.Charge = facts.Charges[0]
	}
	return p, nil
}

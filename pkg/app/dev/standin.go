package dev

import (
	"log/slog"
	"time"

	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

const (
	// Customers are back at the shop before Stripe has told us: a person sees
	// the widget turn.
	deliveryDelay = 1500 * time.Millisecond

	// settling is how long a bank takes here; at Stripe it is days.
	settling = 8 * time.Second
)

// newStandIn makes Stripe's double, with an account for each restaurant.
func newStandIn(restaurants []*restaurant, base string, log *slog.Logger) *stripetest.API {
	there := stripetest.NewAPI()
	for _, r := range restaurants {
		there.Open(r.stripeKey, stripetest.Account{Name: r.name, Settle: settling, Webhook: stripetest.Webhook{
			URL: base + webhooks + "/" + r.slug, Secret: r.secret, Delay: deliveryDelay,
			Delivered: func(e stripetest.Event, status int, err error) {
				log.Info("the stand-in for Stripe has delivered", "restaurant", r.slug, "event", e.ID, "type", e.Type, "status", status, "error", err)
			},
		}})
	}
	return there
}

// remember lets the stand-in know of the orders that stay unpaid, as the worker
// will ask about them.
func (s *show) remember(there *stripetest.API, f *stripetest.Factory) {
	for _, sc := range s.orders {
		switch {
		case sc.wantOrder != order.PaymentPending:
		case sc.wantPayment == order.PaymentProcessing:
			there.Put(sc.restaurant.stripeKey, f.CheckoutUnpaid(sc.payment))
			there.Put(sc.restaurant.stripeKey, f.IntentProcessing(sc.payment))
		default:
			there.Put(sc.restaurant.stripeKey, f.CheckoutOpen(sc.payment))
		}
	}
}

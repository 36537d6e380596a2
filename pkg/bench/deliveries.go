package bench

import (
	"fmt"
	"strconv"
	"time"

	"tillhook/pkg/bench/reference"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripetest"
)

// The one restaurant there is here.
const (
	restaurantID = "bench"
	path         = "/api/v1/webhooks/stripe/bench"
)

// amount is what every order costs, in cents.
const amount = 2500

// delivery is an event as it goes over the wire, and the order that it pays.
type delivery struct {
	head, body []byte
	event      stripetest.Event
	payment    stripetest.Payment
}

// deliveries makes n events, each of a new order. They are signed later: a
// signature is fresh for five minutes only.
func (b *bench) deliveries(n int) []delivery {
	b.series++
	f := stripetest.NewFactory(b.seed+b.series, time.Now())
	all := make([]delivery, n)
	for i := range all {
		id := fmt.Sprintf("b%d-%d", b.series, i)
		p := f.Payment(restaurantID, id, "p"+id, amount, "eur")
		e := f.CheckoutCompleted(p)
		all[i] = delivery{body: e.Body, event: e, payment: p}
	}
	return all
}

// indexOf is an order's place in its series.
func indexOf(orderID string) (int, bool) {
	for i := range orderID {
		if orderID[i] == '-' {
			n, err := strconv.Atoi(orderID[i+1:])
			return n, err == nil
		}
	}
	return 0, false
}

// sign prepares everything that is sent before the bodies.
func sign(all []delivery, secret, host, path string) {
	now := time.Now()
	for i := range all {
		d := &all[i]
		d.head = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"+
			"Content-Type: application/json; charset=utf-8\r\nAccept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"+
			"Stripe-Signature: %s\r\nContent-Length: %d\r\n\r\n", path, host, stripetest.Sign(secret, d.body, now), len(d.body))
	}
}

// repeated is all with percent of them there twice in a row, so that two
// connections send them at the same moment.
func repeated(all []delivery, percent int) []delivery {
	many := make([]delivery, 0, len(all)+len(all)*percent/100+1)
	for i, d := range all {
		many = append(many, d)
		if (i+1)*percent/100 > i*percent/100 {
			many = append(many, d)
		}
	}
	return many
}

func newOrders(all []delivery) []postgres.NewOrder {
	orders := make([]postgres.NewOrder, len(all))
	for i, d := range all {
		orders[i] = postgres.NewOrder{OrderID: d.payment.OrderID, PaymentID: d.payment.PaymentID, RestaurantID: restaurantID,
			Session: d.payment.Session, Total: order.Money{Amount: amount, Currency: "eur"}}
	}
	return orders
}

func forReference(all []delivery) []reference.Delivery {
	out := make([]reference.Delivery, len(all))
	for i, d := range all {
		out[i] = reference.Delivery{EventID: d.event.ID, Type: d.event.Type, OrderID: d.payment.OrderID, PaymentID: d.payment.PaymentID,
			Session: d.payment.Session, Amount: amount, Body: d.body}
	}
	return out
}

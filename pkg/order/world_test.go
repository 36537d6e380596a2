package order_test

import (
	"errors"
	"fmt"
	"strings"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

var (
	asked = order.Money{Amount: 2500, Currency: "usd"}
	other = order.Money{Amount: 2400, Currency: "usd"}
)

// an order "o" of restaurant "r" with a payment for each column value given:
// "p1", "p2" … in it.
func newOrder(providerPaymentIDs ...string) *order.Order {
	o := &order.Order{ID: "o", RestaurantID: "r", Status: order.PaymentPending}
	for i, id := range providerPaymentIDs {
		o.Payments = append(o.Payments, &order.Payment{
			ID: fmt.Sprint("p", i+1), OrderID: "o", RestaurantID: "r", Status: order.PaymentIsPending,
			ProviderPaymentID: id, Expected: asked,
		})
	}
	return o
}

// linked are the links that the database makes when a payment is inserted.
func linked(o *order.Order) map[order.Link]string {
	links := map[order.Link]string{}
	for _, p := range o.Payments {
		if p.ProviderPaymentID != "" {
			links[order.Link{RestaurantID: o.RestaurantID, ObjectID: p.ProviderPaymentID}] = p.ID
		}
	}
	return links
}

func bookOf(o *order.Order) *order.Book { return order.NewBook([]*order.Order{o}, linked(o)) }

// entry is a verified event of restaurant "r".
func entry(id string, c order.Contribution) order.Entry {
	return order.Entry{EventID: id, Type: "test." + id, RestaurantID: "r", Contribution: c}
}

func paid(session, intent string) order.Facts {
	return order.Facts{Session: session, Intent: intent, Evidence: []order.Money{asked}}
}

// state is everything that a story may end in.
type state struct {
	Order    order.Status
	Payments []order.Payment
	Links    map[order.Link]string
}

func stateOf(o *order.Order, links map[order.Link]string) state {
	s := state{Order: o.Status, Links: links}
	for _, p := range o.Payments {
		s.Payments = append(s.Payments, *p)
	}
	return s
}

// outcome is a result in words: what it did, or why not.
func outcome(r order.Result) string {
	switch {
	case r.Err == nil:
		return string(r.Outcome)
	case errors.Is(r.Err, order.ErrUnknownPayment) && !event.IsPermanent(r.Err):
		return "waits"
	case event.IsPermanent(r.Err):
		return "fails: " + r.Err.Error()
	}
	return "retried: " + r.Err.Error()
}

func outcomes(results []order.Result) []string {
	all := make([]string, len(results))
	for i, r := range results {
		all[i] = outcome(r)
	}
	return all
}

// states says "ORDER / PAYMENT PAYMENT" of o.
func states(o *order.Order) string {
	var payments []string
	for _, p := range o.Payments {
		payments = append(payments, string(p.Status))
	}
	return string(o.Status) + " / " + strings.Join(payments, " ")
}

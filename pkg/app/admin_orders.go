package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"tillhook/pkg/admin"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// orderEvents is how many of an order's events its page shows.
const orderEvents = 100

// ListOrders answers ErrNotFound if there is no such restaurant.
func (d *adminDesk) ListOrders(ctx context.Context, s admin.OrderSearch) (admin.OrderPage, error) {
	id, err := d.restaurantID(ctx, s.Restaurant)
	if err != nil {
		return admin.OrderPage{}, err
	}
	var page admin.OrderPage
	if s.Undecided {
		return d.undecided(ctx, id, s)
	}
	if s.StuckFor > 0 {
		after := postgres.StuckOrder{ID: s.Before.ID, CreatedAt: s.Before.At}
		found, err := d.db.StuckOrders(ctx, s.StuckFor, id, after, s.Limit+1)
		if err != nil {
			return page, err
		}
		page.More = len(found) > s.Limit
		for _, o := range found[:min(len(found), s.Limit)] {
			page.Orders = append(page.Orders, admin.Order{ID: o.ID, RestaurantID: o.RestaurantID, Slug: o.Slug,
				Status: string(order.PaymentPending), Amount: o.Amount, Currency: o.Currency, CreatedAt: o.CreatedAt, Why: whyStuck(o)})
			page.Next = admin.Cursor{At: o.CreatedAt, ID: o.ID}
		}
		return page, nil
	}
	found, err := d.db.OrdersPage(ctx, s.Status, id, s.Before.At, s.Before.ID, s.Limit+1)
	if err != nil {
		return page, err
	}
	for _, o := range found.Orders[:min(len(found.Orders), s.Limit)] {
		page.Orders = append(page.Orders, admin.Order{ID: o.ID, RestaurantID: o.RestaurantID, Slug: o.Slug, Status: o.Status,
			Amount: o.Amount, Currency: o.Currency, CreatedAt: o.CreatedAt, PaidAt: o.PaidAt})
		page.Next = admin.Cursor{At: o.CreatedAt, ID: o.ID}
	}
	page.More = len(found.Orders) > s.Limit || found.Partial
	if len(found.Orders) <= s.Limit && found.Partial {
		page.Next = admin.Cursor{At: found.LookedTo, ID: found.LookedID}
	}
	return page, nil
}

// undecided lists the orders of such payments, the one that waits for the longest
// first; an order comes once for each of its payments. A page ends at a payment's
// transition, and nonsense instead of one is the first page.
func (d *adminDesk) undecided(ctx context.Context, restaurantID string, s admin.OrderSearch) (page admin.OrderPage, err error) {
	after, err := strconv.ParseInt(s.Before.ID, 10, 64)
	if err != nil {
		after = 0
	}
	found, err := d.db.UndecidedPayments(ctx, restaurantID, after, s.Limit+1)
	page.More = len(found) > s.Limit
	for _, u := range found[:min(len(found), s.Limit)] {
		page.Orders = append(page.Orders, admin.Order{ID: u.OrderID, RestaurantID: u.RestaurantID, Slug: u.Slug, Status: u.OrderStatus,
			Amount: u.Amount, Currency: u.Currency, CreatedAt: u.Since, Why: u.Why})
		page.Next = admin.Cursor{At: u.Since, ID: strconv.FormatInt(u.TransitionID, 10)}
	}
	return page, err
}

// Order reads one order's story.
func (d *adminDesk) Order(ctx context.Context, id string) (admin.Story, error) {
	s, err := d.db.OrderStory(ctx, id)
	if errors.Is(err, postgres.ErrNoOrder) {
		return admin.Story{}, admin.ErrNotFound
	}
	if err != nil {
		return admin.Story{}, err
	}
	story := admin.Story{
		Order: admin.Order{ID: s.ID, RestaurantID: s.RestaurantID, Slug: s.Slug, Status: s.Status, Amount: s.Amount,
			Currency: s.Currency, CreatedAt: s.CreatedAt, PaidAt: s.PaidAt},
		Transitions: transitions(s.Transitions),
	}
	for _, p := range s.Payments {
		story.Payments = append(story.Payments, admin.Payment(p))
	}
	events, err := d.db.EventsPage(ctx, postgres.EventFilter{Order: id, Limit: orderEvents}, time.Time{}, "")
	if err != nil {
		return story, err
	}
	for _, e := range events.Events {
		story.Events = append(story.Events, admin.Event(e))
	}
	return story, nil
}

// Reconcile is "ops orders reconcile" of one order.
func (d *adminDesk) Reconcile(ctx context.Context, who, id string) (admin.Reconciled, error) {
	s, err := d.db.OrderStory(ctx, id)
	switch {
	case errors.Is(err, postgres.ErrNoOrder):
		return admin.Reconciled{}, admin.ErrNotFound
	case err != nil:
		return admin.Reconciled{}, err
	case s.Status != string(order.PaymentPending):
		return admin.Reconciled{}, admin.Refusal{Why: fmt.Errorf("the order is %s: there is nothing to wait for", s.Status)}
	}
	begun := d.by(who, "reconcile")
	if err := d.db.Note(ctx, begun.by(), s.RestaurantID, id, "Stripe is asked"); err != nil {
		return admin.Reconciled{}, err
	}
	r := &reconciling{db: d.db, api: d.api, intake: newIntake(d.db, d.tasks), progress: io.Discard, answer: reconciled{written: begun}}
	pending, err := d.db.PendingOrders(ctx, []string{id})
	if err != nil {
		return admin.Reconciled{}, err
	}
	if len(pending) == 0 {
		return admin.Reconciled{}, admin.Refusal{Why: errors.New("no payment of the order could still bring the money")}
	}
	one := reconciledOrder{OrderID: id}
	if err := r.order(ctx, pending[0], &one); event.IsPermanent(err) || errors.Is(err, event.ErrNoAnswer) || errors.Is(err, event.ErrTooMany) {
		return admin.Reconciled{}, admin.Refusal{Why: err}
	} else if err != nil {
		return admin.Reconciled{}, err
	}
	return admin.Reconciled{Says: one.Says, Stored: r.answer.Events, Known: one.Known, Changes: one.Changes}, nil
}

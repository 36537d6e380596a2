package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tillhook/pkg/event"
)

// Till has the orders that wait for their payment.
type Till interface {
	// ClaimPending takes orders that have been pending for longer than age and
	// are due to be looked up, the oldest first, for as long as lease.
	ClaimPending(ctx context.Context, age, lease time.Duration, limit int) ([]event.Pending, error)
	// SaveFinding notes what a look at Stripe has brought, and that the next
	// may follow after wait, twice that after each look that found the same,
	// unless that was an outage.
	SaveFinding(ctx context.Context, orderID, finding string, wait time.Duration, outage bool) error
}

// PaymentDesk looks payments up at Stripe.
type PaymentDesk interface {
	Payment(ctx context.Context, want event.Lookup) (event.Answer, error)
}

const (
	// reconcilePage is how many orders are claimed at a time; they are looked
	// up well within the lease.
	reconcilePage  = 20
	reconcileLease = 15 * time.Minute
)

// Reconciler compares orders that stay unpaid with what Stripe has of them, and
// lets the worker settle the difference.
type Reconciler struct {
	age, interval time.Duration
	till          Till
	stripe        PaymentDesk
	intake        *Intake
	log           *slog.Logger
}

// NewReconciler makes one for orders that are pending for longer than age. It
// looks each up again after interval, then less and less often.
func NewReconciler(age, interval time.Duration, t Till, d PaymentDesk, in *Intake, log *slog.Logger) *Reconciler {
	return &Reconciler{age: age, interval: interval, till: t, stripe: d, intake: in, log: log}
}

// Run looks orders up until ctx ends.
func (r *Reconciler) Run(ctx context.Context) {
	tick := time.NewTicker(lookAgain(r.interval))
	defer tick.Stop()
	for {
		due, err := r.till.ClaimPending(ctx, r.age, reconcileLease, reconcilePage)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("reconciling broken off, trying again", "error", err)
		}
		for _, p := range due {
			if ctx.Err() == nil {
				r.reconcile(ctx, p)
			}
		}
		if len(due) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reconcile looks one order up, and notes what was found.
func (r *Reconciler) reconcile(ctx context.Context, p event.Pending) {
	answer, err := LookUp(ctx, r.stripe, p)
	var tally Tally
	if err == nil {
		tally, err = r.intake.Take(ctx, p.RestaurantID, event.Reconciled, answer.Heard)
	}
	if ctx.Err() != nil {
		return // after the lease, another look
	}
	r.intake.count(event.Reconciled, tally, err)
	finding := answer.Says
	if err != nil {
		finding = err.Error()
	}
	if tally.New > 0 {
		r.log.Info("reconciled", "order", p.OrderID, "restaurant", p.RestaurantID, "stripe", finding, "events", tally.New)
	} else if err != nil && finding != p.LastFinding {
		r.log.Warn("a pending order can't be looked up", "order", p.OrderID, "restaurant", p.RestaurantID, "error", err)
	}
	outage := err != nil && !event.IsPermanent(err)
	if err := r.till.SaveFinding(ctx, p.OrderID, finding, r.interval, outage); err != nil && ctx.Err() == nil {
		r.log.Warn("what Stripe has of an order was not noted", "order", p.OrderID, "error", err)
	}
}

// LookUp asks Stripe about each payment of an order that could still bring the
// money. One that Stripe doesn't know, or that the key may not read, doesn't hide
// what there is of the others.
func LookUp(ctx context.Context, stripe PaymentDesk, p event.Pending) (all event.Answer, err error) {
	says := make([]string, 0, len(p.Payments))
	var fault error
	for _, payment := range p.Payments {
		answer, err := stripe.Payment(ctx, event.Lookup{RestaurantID: p.RestaurantID, Session: payment.Session, Intent: payment.Intent})
		if err != nil {
			about := fmt.Errorf("asking Stripe about payment %s: %w", payment.ID, err)
			if !event.IsPermanent(err) {
				return all, about
			}
			if !errors.Is(err, event.ErrNotThere) {
				fault = cmp.Or(fault, about)
			}
			answer.Says = err.Error()
		}
		says = append(says, answer.Says)
		all.Heard = append(all.Heard, answer.Heard...)
	}
	if len(says) == 0 {
		says = append(says, "no payment of the order could still bring the money")
	}
	all.Says = strings.Join(says, "; ")
	if len(all.Heard) > 0 {
		fault = nil // Says has it
	}
	return all, fault
}

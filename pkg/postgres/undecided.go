package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tillhook/db"
	"tillhook/pkg/order"
)

// Undecided is a payment on which a human must decide. Amount is what the order
// asked for, in minor units.
type Undecided struct {
	TransitionID int64     `db:"transitionId" json:"-"` // since which it waits: where a page ends
	ID           string    `db:"id" json:"paymentId"`
	OrderID      string    `db:"orderId" json:"orderId"`
	OrderStatus  string    `db:"orderStatus" json:"orderStatus"`
	RestaurantID string    `db:"restaurantId" json:"restaurantId"`
	Slug         string    `db:"slug" json:"slug"`
	Status       string    `db:"status" json:"paymentStatus"`
	Amount       int64     `db:"amount" json:"amount"`
	Currency     string    `db:"currency" json:"currency"`
	ProviderID   string    `db:"providerPaymentId" json:"providerPaymentId,omitempty"`
	Since        time.Time `db:"since" json:"since"`
	ReadAt       time.Time `db:"readAt" json:"readAt"` // by the database's clock
	Why          string    `db:"-" json:"why"`
}

// UndecidedPayments lists up to limit of them, the one that waits for the longest
// first, after that of a transition (0: from the first), of one restaurant, or all
// if its id is "".
func (d *DB) UndecidedPayments(ctx context.Context, restaurantID string, after int64, limit int) ([]Undecided, error) {
	var rows []struct {
		Undecided
		Reason string `db:"reason"`
		Facts  []byte `db:"facts"`
	}
	if err := d.SelectContext(ctx, &rows, db.Query("payment_undecided"), restaurantID, limit, after); err != nil {
		return nil, fmt.Errorf("reading the payments on which a human must decide: %w", err)
	}
	all := make([]Undecided, len(rows))
	for i, r := range rows {
		all[i] = r.Undecided
		all[i].Since, all[i].ReadAt = r.Since.UTC(), r.ReadAt.UTC()
		why, err := whyReview(PaymentState{ID: r.ID, Status: r.Status, Facts: r.Facts})
		if err != nil {
			return nil, err
		}
		all[i].Why = cmp.Or(why, r.Reason) // the second payment of an order
	}
	return all, nil
}

// whyReview says which money came that was not asked for, "" of a payment that
// is not in REVIEW.
func whyReview(p PaymentState) (string, error) {
	if p.Status != string(order.PaymentReview) {
		return "", nil
	}
	var f order.Facts
	if err := json.Unmarshal(p.Facts, &f); err != nil {
		return "", fmt.Errorf("reading the facts of payment %s: %w", p.ID, err)
	}
	var came []string
	for _, m := range f.Evidence {
		came = append(came, m.String())
	}
	if f.Free {
		came = append(came, "nothing to pay")
	}
	return "what came is not what the order asked for: " + strings.Join(came, ", "), nil
}

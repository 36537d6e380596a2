package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ClaimPending takes up to limit orders that have been pending for longer than
// age and are due to be looked up. Nobody else takes them within lease.
func (d *DB) ClaimPending(ctx context.Context, age, lease time.Duration, limit int) ([]event.Pending, error) {
	var ids []string
	if err := d.SelectContext(ctx, &ids, db.Query("pending_claim"), age.Seconds(), lease.Seconds(), limit); err != nil {
		return nil, fmt.Errorf("claiming pending orders: %w", err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return d.PendingOrders(ctx, ids)
}

// PendingOrders reads what there is to look up of the orders; those that are
// not pending are left out.
func (d *DB) PendingOrders(ctx context.Context, ids []string) ([]event.Pending, error) {
	var rows []struct {
		OrderID      string    `db:"id"`
		RestaurantID string    `db:"restaurantId"`
		CreatedAt    time.Time `db:"createdAt"`
		Finding      string    `db:"finding"`
		PaymentID    string    `db:"paymentId"`
		Session      string    `db:"session"`
		Intent       string    `db:"intent"`
	}
	if err := d.SelectContext(ctx, &rows, db.Query("pending_payments"), pq.StringArray(ids)); err != nil {
		return nil, fmt.Errorf("reading pending orders: %w", err)
	}
	var all []event.Pending
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].OrderID != r.OrderID {
			all = append(all, event.Pending{OrderID: r.OrderID, RestaurantID: r.RestaurantID, CreatedAt: r.CreatedAt, LastFinding: r.Finding})
		}
		if p := &all[len(all)-1]; r.PaymentID != "" {
			p.Payments = append(p.Payments, event.PendingPayment{ID: r.PaymentID, Session: r.Session, Intent: r.Intent})
		}
	}
	return all, nil
}

// SaveFinding notes what Stripe has said of an order. The next look follows
// after wait, and twice as long after each that says the same, a day at most;
// an outage tells nothing of the order, and doubles nothing.
func (d *DB) SaveFinding(ctx context.Context, orderID, finding string, wait time.Duration, outage bool) error {
	if _, err := d.ExecContext(ctx, db.Query("pending_save"), orderID, finding, wait.Seconds(), outage); err != nil {
		return fmt.Errorf("noting what Stripe has of order %s: %w", orderID, err)
	}
	return nil
}

// StuckOrder is an order that has been pending for too long. The payment is the
// one to look at first: that with money to be reviewed, else the newest.
type StuckOrder struct {
	ID            string     `db:"id" json:"id"`
	RestaurantID  string     `db:"restaurantId" json:"restaurantId"`
	Slug          string     `db:"slug" json:"slug"`
	CreatedAt     time.Time  `db:"createdAt" json:"createdAt"`
	ReadAt        time.Time  `db:"readAt" json:"readAt"` // by the database's clock
	Amount        int64      `db:"totalAmount" json:"totalAmount"`
	Currency      string     `db:"currency" json:"currency"`
	PaymentID     string     `db:"paymentId" json:"paymentId,omitempty"`
	PaymentStatus string     `db:"paymentStatus" json:"paymentStatus,omitempty"`
	ProviderID    string     `db:"providerPaymentId" json:"providerPaymentId,omitempty"`
	Payments      int        `db:"payments" json:"payments"`
	Known         int        `db:"known" json:"eventsKnown"`     // that are about it
	Waiting       int        `db:"waiting" json:"eventsWaiting"` // that name it, and wait for a payment
	Finding       string     `db:"finding" json:"stripeSays,omitempty"`
	LookedAt      *time.Time `db:"lookedAt" json:"lookedAt,omitempty"`
	HasKey        bool       `db:"hasKey" json:"hasApiKey"`
}

// Explained reports whether it is known what the order waits for: money that is
// under way, or a human.
func (s StuckOrder) Explained() bool {
	switch order.PaymentStatus(s.PaymentStatus) {
	case order.PaymentReview:
		return true
	case order.PaymentProcessing:
		return s.ReadAt.Sub(s.CreatedAt) < event.UnderWayFor
	}
	return false
}

// StuckOrders pages through the orders that have been pending for longer than
// age, oldest first, after the given one (zero for the first page). restaurant
// is a slug or an id, "" for all.
func (d *DB) StuckOrders(ctx context.Context, age time.Duration, restaurant string, after StuckOrder, limit int) ([]StuckOrder, error) {
	page := []StuckOrder{}
	if err := d.SelectContext(ctx, &page, db.Query("order_stuck"), age.Seconds(), after.CreatedAt, after.ID, restaurant, limit); err != nil {
		return nil, fmt.Errorf("looking for stuck orders: %w", err)
	}
	return page, nil
}

// Foresee says what the entries would do, and does nothing of it. They must not
// have been stored; the results are in their order.
func (d *DB) Foresee(ctx context.Context, entries []order.Entry) (results []order.Result, err error) {
	tx, err := d.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("foreseeing %d events: %w", len(entries), err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	s := &settlement{on: runner{d, tx}, entries: entries, looking: true}
	book, err := s.openBook(ctx)
	if err != nil {
		return nil, fmt.Errorf("foreseeing %d events: %w", len(entries), err)
	}
	return book.Settle(entries), nil
}

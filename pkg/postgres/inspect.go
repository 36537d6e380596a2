package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// EventFilter is what an operator asks for; what is left empty doesn't count.
type EventFilter struct {
	IDs          []string // ours or Stripe's
	Status       string
	Type         string // a whole type, or its beginning with % after it
	Restaurant   string // id or slug
	Order        string // the order that the events are about
	Since, Until time.Time
	Limit        int
}

// Event is a stored event without its payload.
type Event struct {
	ID              string     `db:"id" json:"id"`
	ProviderEventID string     `db:"providerEventId" json:"providerEventId,omitempty"`
	Type            string     `db:"eventType" json:"eventType"`
	Status          string     `db:"status" json:"status"`
	Outcome         string     `db:"outcome" json:"outcome,omitempty"`
	RestaurantID    string     `db:"restaurantId" json:"restaurantId,omitempty"`
	Slug            string     `db:"slug" json:"slug,omitempty"` // of the restaurant, "" if it is gone
	APIVersion      string     `db:"apiVersion" json:"apiVersion,omitempty"`
	Livemode        bool       `db:"livemode" json:"livemode"`
	OccurredAt      time.Time  `db:"occurredAt" json:"occurredAt"`
	CreatedAt       time.Time  `db:"createdAt" json:"createdAt"`
	ProcessedAt     *time.Time `db:"processedAt" json:"processedAt,omitempty"`
	Attempts        int        `db:"attempts" json:"attempts"`
	LastError       string     `db:"lastError" json:"lastError,omitempty"`
	SignedWith      string     `db:"signedWith" json:"signedWith,omitempty"`
	OrderID         string     `db:"orderId" json:"orderId,omitempty"`
	Source          string     `db:"source" json:"source"`
	Bytes           int        `db:"bytes" json:"bytes"`                 // of the payload
	WaitsFor        string     `db:"waitsFor" json:"waitsFor,omitempty"` // by which of these names its payment would be found
}

// Events searches, newest first.
func (d *DB) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	all := []Event{}
	ids := pq.StringArray(f.IDs)
	if ids == nil {
		ids = pq.StringArray{} // NULL would match nothing
	}
	if err := d.SelectContext(ctx, &all, db.Query("event_search"), f.Status, f.Type, f.Restaurant, ids,
		f.Order, moment(f.Since), moment(f.Until), f.Limit); err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	for i := range all {
		all[i].OccurredAt, all[i].CreatedAt = all[i].OccurredAt.UTC(), all[i].CreatedAt.UTC()
	}
	return all, nil
}

// EventPayload reads the exact bytes that Stripe sent.
func (d *DB) EventPayload(ctx context.Context, e Event) ([]byte, error) {
	var payload []byte
	if err := d.GetContext(ctx, &payload, db.Query("event_payload"), e.ID, e.OccurredAt); err != nil {
		return nil, fmt.Errorf("reading the payload of %s: %w", e.ID, err)
	}
	return payload, nil
}

// ReplayEvents makes finished events PROCESSING again, with all attempts, and
// answers which they were. They still need a task each.
func (d *DB) ReplayEvents(ctx context.Context, by Operator, ids []string) ([]event.Unfinished, error) {
	var replayed []event.Unfinished
	err := d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		var rows []struct {
			ID           string    `db:"id"`
			OccurredAt   int64     `db:"occurredAt"`
			Type         string    `db:"eventType"`
			CreatedAt    time.Time `db:"createdAt"`
			RestaurantID string    `db:"restaurantId"`
		}
		if err := tx.SelectContext(ctx, &rows, db.Query("event_replay"), pq.StringArray(ids)); err != nil {
			return fmt.Errorf("replaying events: %w", d.fault(ctx, err))
		}
		for _, r := range rows {
			replayed = append(replayed, event.Unfinished{
				Ref: event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)}, Type: r.Type, CreatedAt: r.CreatedAt,
			})
			if _, err := tx.ExecContext(ctx, db.Query("audit_insert"), by.Actor, by.Action, r.RestaurantID, r.ID, r.Type); err != nil {
				return fmt.Errorf("recording the replay of %s: %w", r.ID, err)
			}
		}
		return nil
	})
	return replayed, err
}

// OrderStory is an order, its payments, and what changed them.
type OrderStory struct {
	ID           string         `json:"id"`
	RestaurantID string         `json:"restaurantId"`
	Slug         string         `json:"slug"`
	Status       string         `json:"status"`
	Amount       int64          `json:"totalAmount"` // minor units
	Currency     string         `json:"currency"`
	CreatedAt    time.Time      `json:"createdAt"`
	PaidAt       *time.Time     `json:"paidAt"`
	Payments     []PaymentState `json:"payments"`
	Transitions  []Transition   `json:"transitions"`
}

// PaymentState is one payment of an order. Amounts are in minor units.
type PaymentState struct {
	ID             string          `json:"id"`
	Status         string          `json:"status"`
	ProviderID     string          `json:"providerPaymentId"`
	Amount         int64           `json:"amount"`
	Currency       string          `json:"currency"`
	AmountRefunded int64           `json:"amountRefunded"`
	Livemode       *bool           `json:"livemode"`
	Facts          json.RawMessage `json:"facts"`
	Why            string          `json:"why,omitempty"` // a human must decide on its money
}

// Transition is one recorded change.
type Transition struct {
	CreatedAt       time.Time `db:"createdAt" json:"createdAt"`
	PaymentID       string    `db:"paymentId" json:"paymentId"`
	OrderFrom       string    `db:"orderFrom" json:"orderFrom"`
	OrderTo         string    `db:"orderTo" json:"orderTo"`
	PaymentFrom     string    `db:"paymentFrom" json:"paymentFrom"`
	PaymentTo       string    `db:"paymentTo" json:"paymentTo"`
	Reason          string    `db:"reason" json:"reason"`
	EventID         string    `db:"webhookEventId" json:"webhookEventId"`
	ProviderEventID string    `db:"providerEventId" json:"providerEventId,omitempty"`
}

// ErrNoOrder says that there is no order of that id.
var ErrNoOrder = errors.New("there is no such order")

// OrderStory reads one order's.
func (d *DB) OrderStory(ctx context.Context, orderID string) (OrderStory, error) {
	s := OrderStory{Payments: []PaymentState{}, Transitions: []Transition{}}
	rows, err := d.QueryContext(ctx, db.Query("order_find"), orderID)
	if err != nil {
		return s, fmt.Errorf("reading order %s: %w", orderID, err)
	}
	defer rows.Close()
	for rows.Next() {
		var p PaymentState
		var updatedAt time.Time
		var livemode sql.NullBool
		var facts []byte
		if err := rows.Scan(&s.ID, &s.RestaurantID, &s.Slug, &s.Status, &s.Amount, &s.Currency, &s.CreatedAt, &updatedAt, &s.PaidAt,
			&p.ID, &p.Status, &p.ProviderID, &p.Amount, &p.Currency, &p.AmountRefunded, &livemode, &facts); err != nil {
			return s, fmt.Errorf("reading order %s: %w", orderID, err)
		}
		p.Facts = facts
		if livemode.Valid {
			p.Livemode = &livemode.Bool
		}
		if p.Why, err = whyReview(p); err != nil {
			return s, err
		}
		if p.ID != "" {
			s.Payments = append(s.Payments, p)
		}
	}
	if err := rows.Err(); err != nil {
		return s, fmt.Errorf("reading order %s: %w", orderID, err)
	}
	if s.ID == "" {
		return s, fmt.Errorf("%w: %s", ErrNoOrder, orderID)
	}
	if err := d.SelectContext(ctx, &s.Transitions, db.Query("order_story"), orderID); err != nil {
		return s, fmt.Errorf("reading the story of order %s: %w", orderID, err)
	}
	return s, nil
}

// moment is NULL for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

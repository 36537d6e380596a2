package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// EventsPage is a page of a search, and how far it has looked.
type EventsPage struct {
	Events   []Event
	Partial  bool      // there is more to be looked at
	LookedTo time.Time // the last event that was
	LookedID string
}

// pageScan is how many events a page of a search by type looks through, or
// orders one by status: some tens of milliseconds.
const pageScan = 10_000

// EventsPage searches before a row, newest first, and looks at no more events
// than can be done while somebody waits. The filter's restaurant is an id.
func (d *DB) EventsPage(ctx context.Context, f EventFilter, before time.Time, beforeID string) (EventsPage, error) {
	ids := pq.StringArray(f.IDs)
	if ids == nil {
		ids = pq.StringArray{} // NULL would match nothing
	}
	scan := f.Limit
	if f.Type != "" {
		scan = pageScan
	}
	var rows []struct {
		Looked   int       `db:"looked"`
		LookedTo time.Time `db:"lookedTo"`
		LookedID string    `db:"lookedId"`
		Event
	}
	var page EventsPage
	err := d.readInOrder(ctx, len(f.IDs) == 0 && f.Order == "", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, db.Query("event_page"), f.Status, f.Type, f.Restaurant, ids, f.Order,
			moment(f.Since), moment(f.Until), moment(before), beforeID, f.Limit, scan)
	})
	if err != nil {
		return page, fmt.Errorf("searching events: %w", err)
	}
	for _, r := range rows {
		page.Partial, page.LookedTo, page.LookedID = r.Looked == scan, r.LookedTo, r.LookedID
		if r.ID != "" {
			page.Events = append(page.Events, r.Event)
		}
	}
	return page, nil
}

// readInOrder is a transaction that reads, with ordered as plan_in_order has it.
func (d *DB) readInOrder(ctx context.Context, ordered bool, f func(*sqlx.Tx) error) error {
	return d.inTx(ctx, func(tx *sqlx.Tx) error {
		if ordered {
			if _, err := tx.ExecContext(ctx, db.Query("plan_in_order")); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

// EventChanges reads what an event has changed of its order.
func (d *DB) EventChanges(ctx context.Context, orderID, eventID string) ([]Transition, error) {
	var all []Transition
	if err := d.SelectContext(ctx, &all, db.Query("event_changes"), orderID, eventID); err != nil {
		return nil, fmt.Errorf("reading what event %s has changed: %w", eventID, err)
	}
	return all, nil
}

// OrderRow is an order in a list. The amount is in minor units.
type OrderRow struct {
	ID           string     `db:"id"`
	RestaurantID string     `db:"restaurantId"`
	Slug         string     `db:"slug"`
	Status       string     `db:"status"`
	Amount       int64      `db:"totalAmount"`
	Currency     string     `db:"currency"`
	CreatedAt    time.Time  `db:"createdAt"`
	PaidAt       *time.Time `db:"paidAt"`
}

// OrdersPage is a page of orders, and how far it has looked.
type OrdersPage struct {
	Orders   []OrderRow
	Partial  bool      // there is more to be looked at
	LookedTo time.Time // the last order that was
	LookedID string
}

// OrdersPage reads orders before a row, newest first, and looks at no more of
// them than can be done while somebody waits. The restaurant is an id; what is
// left empty doesn't count.
func (d *DB) OrdersPage(ctx context.Context, status, restaurantID string, before time.Time, beforeID string, limit int) (page OrdersPage, err error) {
	scan := limit
	if status != "" && status != string(order.PaymentPending) {
		scan = pageScan
	}
	var rows []struct {
		Looked   int       `db:"looked"`
		LookedTo time.Time `db:"lookedTo"`
		LookedID string    `db:"lookedId"`
		OrderRow
	}
	err = d.readInOrder(ctx, true, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, db.Query("order_page"), status, restaurantID, moment(before), beforeID, limit, scan)
	})
	if err != nil {
		return page, fmt.Errorf("listing orders: %w", err)
	}
	for _, r := range rows {
		page.Partial, page.LookedTo, page.LookedID = r.Looked == scan, r.LookedTo, r.LookedID
		if r.ID != "" {
			page.Orders = append(page.Orders, r.OrderRow)
		}
	}
	return page, nil
}

// AuditPage reads audit lines before one, newest first; 0 begins at the newest.
func (d *DB) AuditPage(ctx context.Context, before int64, restaurantID string, limit int) ([]event.AuditLine, error) {
	var page []event.AuditLine
	if err := d.SelectContext(ctx, &page, db.Query("audit_page"), before, restaurantID, limit); err != nil {
		return nil, fmt.Errorf("reading the audit: %w", err)
	}
	return page, nil
}

// Minutes reads what arrived from since until, a minute each; one in which
// nothing did is left out.
func (d *DB) Minutes(ctx context.Context, since, until time.Time) ([]event.Minute, error) {
	var all []event.Minute
	err := d.readInOrder(ctx, false, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &all, db.Query("pulse_minutes"), since, until)
	})
	if err != nil {
		return nil, fmt.Errorf("reading what arrived: %w", err)
	}
	return all, nil
}

// Backlog counts what is unfinished, no further than limit.
func (d *DB) Backlog(ctx context.Context, limit int) (b event.Backlog, err error) {
	err = d.readInOrder(ctx, true, func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &b, db.Query("pulse_backlog"), limit)
	})
	if err != nil {
		return b, fmt.Errorf("counting what is unfinished: %w", err)
	}
	return b, nil
}

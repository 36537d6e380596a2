package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// AuditScope is what an audit looks at: orders that were made, and events that
// were stored, in a range of time; zero times are open ends.
type AuditScope struct {
	RestaurantID string // "" for all
	Since, Until time.Time
}

// AuditSize is how much an audit has before it.
type AuditSize struct {
	Orders   int `db:"orders"`
	Unplaced int `db:"unplaced"` // finished events that no order is recorded of
}

// AuditSize counts.
func (d *DB) AuditSize(ctx context.Context, s AuditScope) (size AuditSize, err error) {
	if err := d.GetContext(ctx, &size, db.Query("audit_count"), s.RestaurantID, moment(s.Since), moment(s.Until)); err != nil {
		return size, fmt.Errorf("counting what to audit: %w", err)
	}
	return size, nil
}

// AuditOrderIDs pages through the orders of an audit, by id.
func (d *DB) AuditOrderIDs(ctx context.Context, s AuditScope, after string, limit int) (ids []string, err error) {
	err = d.SelectContext(ctx, &ids, db.Query("audit_orders"), s.RestaurantID, moment(s.Since), moment(s.Until), after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing orders to audit: %w", err)
	}
	return ids, nil
}

// AuditedEvent is a stored event with its recorded end.
type AuditedEvent struct {
	event.Stored
	Status  event.Status
	OrderID string
}

// AuditOrders reads orders as they are recorded, and then hands over their
// events one by one, all as of one moment.
func (d *DB) AuditOrders(ctx context.Context, ids []string, begin func([]order.Recorded), see func(AuditedEvent) error) error {
	return d.look(ctx, func(tx *sqlx.Tx) error {
		recorded, err := readRecorded(ctx, tx, ids)
		if err != nil {
			return fmt.Errorf("reading orders to audit: %w", err)
		}
		begin(recorded)
		rows, err := tx.QueryxContext(ctx, db.Query("audit_event_read"), pq.StringArray(ids))
		if err != nil {
			return fmt.Errorf("reading events to audit: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var r auditedRow
			if err := rows.StructScan(&r); err != nil {
				return fmt.Errorf("reading events to audit: %w", err)
			}
			if err := see(r.event()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// AuditCursor is where a page of unplaced events ended.
type AuditCursor struct {
	CreatedAt time.Time
	ID        string
}

// AuditUnplaced folds the next finished events that no order is recorded of
// into the orders that they lead to, as these are at this moment. It writes
// nothing. Fewer than limit is the end.
func (d *DB) AuditUnplaced(ctx context.Context, s AuditScope, after AuditCursor, limit int,
	read func(event.Stored) (order.Contribution, error), see func(AuditedEvent, order.Result)) (next AuditCursor, n int, err error) {
	err = d.look(ctx, func(tx *sqlx.Tx) error {
		var rows []auditedRow
		if err := tx.SelectContext(ctx, &rows, db.Query("audit_unplaced"), s.RestaurantID, moment(s.Since), moment(s.Until),
			after.CreatedAt, after.ID, limit); err != nil {
			return fmt.Errorf("reading events without an order: %w", err)
		}
		b := &settlement{on: runner{d, tx}, looking: true}
		var events []AuditedEvent
		for _, r := range rows {
			next, n = AuditCursor{r.CreatedAt, r.ID}, n+1
			e := r.event()
			c, err := read(e.Stored)
			if err != nil {
				see(e, order.Result{Err: err})
				continue
			}
			events, b.entries = append(events, e), append(b.entries, order.NewEntry(e.Stored, c))
		}
		book, err := b.openBook(ctx)
		if err != nil {
			return fmt.Errorf("reading orders of unplaced events: %w", err)
		}
		for i, r := range book.Settle(b.entries) {
			see(events[i], r)
		}
		return nil
	})
	return next, n, err
}

// RecomputeOrder joins facts, by payment, into an order and writes the states
// that follow from them, with a transition for each change. It answers
// order.ErrBusy or event.ErrContended if somebody else holds any of it.
func (d *DB) RecomputeOrder(ctx context.Context, by Operator, orderID string, facts map[string]order.Facts) error {
	err := d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		s := &settlement{on: runner{d, tx}}
		orders, err := s.lockOrders(ctx, []string{orderID})
		if err != nil {
			return err
		}
		if len(orders) == 0 {
			return order.ErrBusy
		}
		o := orders[0]
		if err := s.write(ctx, order.Recompute(o, facts, by.Action), ends{}, 0); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, db.Query("audit_insert"), by.Actor, by.Action, o.RestaurantID, o.ID, "recomputed from its events")
		return err
	})
	if err != nil {
		return fmt.Errorf("recomputing order %s: %w", orderID, d.fault(ctx, err))
	}
	return nil
}

// look runs f in one transaction that sees one moment and writes nothing.
func (d *DB) look(ctx context.Context, f func(*sqlx.Tx) error) error {
	tx, err := d.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	return errors.Join(f(tx), ignoreDone(tx.Rollback()))
}

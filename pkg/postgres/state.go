package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// countedPages is up to what size of the table orders are counted, in pages of
// the server: some ten thousand orders, two milliseconds.
const countedPages = 128

// State reads how everything stands, at about the same cost whatever has piled
// up.
func (d *DB) State(ctx context.Context) (event.State, error) {
	var s event.State
	if err := d.GetContext(ctx, &s, db.Query("state_read"), event.MaxCounted, event.StuckAfter.Seconds(), event.UnderWayFor.Seconds()); err != nil {
		return event.State{}, fmt.Errorf("reading how everything stands: %w", err)
	}
	if err := d.SelectContext(ctx, &s.Orders, db.Query("order_count"), countedPages); err != nil {
		return event.State{}, fmt.Errorf("counting orders: %w", err)
	}
	s.Orders = append(s.Orders, event.OrdersOf{Status: string(order.PaymentPending), Orders: s.Pending})
	return s, nil
}

// Rhythm reads how a restaurant's deliveries have come, and the database's time.
func (d *DB) Rhythm(ctx context.Context, restaurantID string) (event.Rhythm, time.Time, error) {
	var row struct {
		Hours   int          `db:"hours"`
		Last    sql.NullTime `db:"last"`
		Usual   float64      `db:"usual"`
		Longest float64      `db:"longest"`
		ReadAt  time.Time    `db:"readAt"`
	}
	if err := d.GetContext(ctx, &row, db.Query("rhythm_read"), restaurantID); err != nil {
		return event.Rhythm{}, time.Time{}, fmt.Errorf("reading the rhythm of restaurant %s: %w", restaurantID, err)
	}
	return event.Rhythm{
		Last: inUTC(row.Last), Hours: row.Hours,
		Usual: time.Duration(row.Usual * float64(time.Second)), Longest: time.Duration(row.Longest * float64(time.Second)),
	}, row.ReadAt.UTC(), nil
}

// Quiet lists the restaurants that have had no delivery for some time, each
// with its last one.
func (d *DB) Quiet(ctx context.Context, since time.Duration) (map[string]time.Time, error) {
	var rows []struct {
		ID   string    `db:"id"`
		Last time.Time `db:"last"`
	}
	if err := d.SelectContext(ctx, &rows, db.Query("rhythm_quiet"), since.Seconds()); err != nil {
		return nil, fmt.Errorf("looking for silent restaurants: %w", err)
	}
	quiet := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		quiet[r.ID] = r.Last.UTC()
	}
	return quiet, nil
}

// Away reports whether the server could not be reached when it was last tried.
func (d *DB) Away() bool {
	d.circuit.mu.Lock()
	defer d.circuit.mu.Unlock()
	return d.circuit.down != nil
}

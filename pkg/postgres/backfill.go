package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tillhook/db"
	"tillhook/pkg/event"
)

// ClaimBackfill takes the turn of the restaurant whose events were not asked
// for in the longest time, and reports whether one is due. lease is for how
// long nobody else takes it; a new restaurant's turn begins first ago.
func (d *DB) ClaimBackfill(ctx context.Context, first, lease time.Duration) (event.Backfill, bool, error) {
	var row struct {
		RestaurantID string    `db:"restaurantId"`
		CoveredUntil time.Time `db:"coveredUntil"`
		LastError    string    `db:"lastError"`
		ReadAt       time.Time `db:"readAt"`
	}
	err := d.GetContext(ctx, &row, db.Query("backfill_claim"), first.Seconds(), lease.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return event.Backfill{}, false, nil
	}
	if err != nil {
		return event.Backfill{}, false, fmt.Errorf("claiming a backfill: %w", err)
	}
	return event.Backfill{RestaurantID: row.RestaurantID, CoveredUntil: row.CoveredUntil, LastError: row.LastError, Now: row.ReadAt}, true, nil
}

// SaveBackfill notes how far a restaurant's turn has come, and when the next is.
func (d *DB) SaveBackfill(ctx context.Context, restaurantID string, covered time.Time, stored int, fault string, next time.Duration) error {
	if _, err := d.ExecContext(ctx, db.Query("backfill_save"), restaurantID, covered, stored, fault, next.Seconds()); err != nil {
		return fmt.Errorf("noting the backfill of %s: %w", restaurantID, err)
	}
	return nil
}

// AskFault is why Stripe could not be asked for a restaurant's events.
type AskFault struct {
	Slug   string    `db:"slug"`
	Why    string    `db:"why"`
	At     time.Time `db:"at"`
	ReadAt time.Time `db:"readAt"`
}

// AskFaults lists the restaurants whose last turn has failed; only the one of the
// id, unless it is "".
func (d *DB) AskFaults(ctx context.Context, restaurantID string) (all []AskFault, err error) {
	if err := d.SelectContext(ctx, &all, db.Query("backfill_faults"), restaurantID); err != nil {
		return nil, fmt.Errorf("reading whose events could not be asked for: %w", err)
	}
	return all, nil
}

// Covered is a stretch of time for which an operator's command has asked.
type Covered struct {
	Since time.Time `db:"since"`
	Until time.Time `db:"coveredUntil"`
}

// ResumeBackfill is what an interrupted command has covered, zero if nothing
// was interrupted.
func (d *DB) ResumeBackfill(ctx context.Context, restaurantID string) (c Covered, err error) {
	err = d.GetContext(ctx, &c, db.Query("backfill_resume"), restaurantID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("reading how far the backfill of %s has come: %w", restaurantID, err)
	}
	return c, nil
}

// NoteBackfill remembers what a command has covered, in case it is interrupted.
func (d *DB) NoteBackfill(ctx context.Context, restaurantID string, c Covered) error {
	if _, err := d.ExecContext(ctx, db.Query("backfill_note"), restaurantID, c.Since, c.Until); err != nil {
		return fmt.Errorf("noting how far the backfill of %s has come: %w", restaurantID, err)
	}
	return nil
}

// EndBackfill forgets what a command has covered: it has come to its end.
func (d *DB) EndBackfill(ctx context.Context, restaurantID string) error {
	if _, err := d.ExecContext(ctx, db.Query("backfill_end"), restaurantID); err != nil {
		return fmt.Errorf("ending the backfill of %s: %w", restaurantID, err)
	}
	return nil
}

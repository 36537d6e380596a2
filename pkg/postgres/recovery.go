package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// ClaimUnfinished claims, for the time of claim, the events that have been
// PROCESSING for longer than age: oldest first, at most limit of them, after
// the given one (zero for the first page). Nobody else gets them until the
// claim is over. No event is the end; fewer than limit is not.
func (d *DB) ClaimUnfinished(ctx context.Context, age, claim time.Duration, after event.Unfinished, limit int) ([]event.Unfinished, error) {
	for {
		rows, err := d.claimPage(ctx, age, claim, after, limit)
		if err != nil {
			return nil, fmt.Errorf("claiming unfinished events: %w", err)
		}
		var page []event.Unfinished
		for _, r := range rows {
			after = event.Unfinished{
				Ref:  event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)},
				Type: r.Type, CreatedAt: r.CreatedAt,
			}
			if r.Claimed {
				page = append(page, after)
			}
		}
		// All of a page may have gone to somebody else in the same instant.
		if len(page) > 0 || len(rows) == 0 {
			return page, nil
		}
	}
}

type claimedRow struct {
	ID         string    `db:"id"`
	OccurredAt int64     `db:"occurredAt"`
	Type       string    `db:"eventType"`
	CreatedAt  time.Time `db:"createdAt"`
	Claimed    bool      `db:"claimed"`
}

func (d *DB) claimPage(ctx context.Context, age, claim time.Duration, after event.Unfinished, limit int) (rows []claimedRow, err error) {
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, db.Query("plan_in_order")); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &rows, db.Query("event_claim"), age.Seconds(), after.CreatedAt, after.ID, limit, claim.Seconds())
	})
	return rows, err
}

// MoveClaims lets the claims on events end after a time of their own each; zero
// gives an event free at once.
func (d *DB) MoveClaims(ctx context.Context, ids []string, after []time.Duration) error {
	seconds := make(pq.Float64Array, len(after))
	for i, a := range after {
		seconds[i] = a.Seconds()
	}
	if _, err := d.ExecContext(ctx, db.Query("claim_move"), pq.StringArray(ids), seconds); err != nil {
		return fmt.Errorf("moving the ends of %d claims: %w", len(ids), err)
	}
	return nil
}

// EndClaims forgets the claims that are over.
func (d *DB) EndClaims(ctx context.Context) error {
	if _, err := d.ExecContext(ctx, db.Query("claim_end")); err != nil {
		return fmt.Errorf("ending claims: %w", err)
	}
	return nil
}

// withTimes completes the attempts that know their event by its id alone, as
// tasks of other versions may. One whose event is not there keeps its zero
// time, and finds nothing by it.
func withTimes(ctx context.Context, q querier, attempts []event.Attempt) ([]event.Attempt, error) {
	var ids pq.StringArray
	for _, a := range attempts {
		if a.OccurredAt.IsZero() {
			ids = append(ids, a.ID)
		}
	}
	if len(ids) == 0 {
		return attempts, nil
	}
	var rows []struct {
		ID         string `db:"id"`
		OccurredAt int64  `db:"occurredAt"`
	}
	if err := q.SelectContext(ctx, &rows, db.Query("event_when"), ids); err != nil {
		return nil, fmt.Errorf("looking for events by id alone: %w", err)
	}
	times := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		times[r.ID] = time.Unix(r.OccurredAt, 0)
	}
	complete := make([]event.Attempt, len(attempts))
	for i, a := range attempts {
		if a.OccurredAt.IsZero() {
			a.OccurredAt = times[a.ID]
		}
		complete[i] = a
	}
	return complete, nil
}

// querier is the database or a transaction.
type querier interface {
	SelectContext(ctx context.Context, dest any, query string, args ...any) error
}

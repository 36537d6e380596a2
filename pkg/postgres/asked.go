package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// KnownEvents says which of the verified events are stored already, in the
// records' order.
func (d *DB) KnownEvents(ctx context.Context, records []event.Record) ([]bool, error) {
	c := columns(records)
	known := make([]bool, 0, len(records))
	if err := d.SelectContext(ctx, &known, db.Query("event_known"),
		pq.StringArray(c.providerEventID), pq.StringArray(c.restaurantID), pq.Int64Array(c.occurredAt)); err != nil {
		return nil, fmt.Errorf("looking for %d events: %w", len(records), err)
	}
	return known, nil
}

// ForeignEvents says for each event's hints whether they lead to another
// restaurant and not to this one. What nobody knows is not foreign.
func (d *DB) ForeignEvents(ctx context.Context, restaurantID string, hints []event.Hints) ([]bool, error) {
	foreign := make([]bool, len(hints))
	var at pq.Int64Array
	var kinds, ids pq.StringArray
	for i, h := range hints {
		for _, id := range h.Objects {
			at, kinds, ids = append(at, int64(i)), append(kinds, "object"), append(ids, id)
		}
		if h.OrderID != "" {
			at, kinds, ids = append(at, int64(i)), append(kinds, "order"), append(ids, h.OrderID)
		}
	}
	if len(at) == 0 {
		return foreign, nil
	}
	var found []int
	if err := d.SelectContext(ctx, &found, db.Query("event_foreign"), restaurantID, at, kinds, ids); err != nil {
		return nil, fmt.Errorf("looking whose %d events are: %w", len(hints), err)
	}
	for _, i := range found {
		foreign[i] = true
	}
	return foreign, nil
}

// SucceedEvent stores record, and ends the attempt's event with the outcome
// applied, or no_change if the record was stored before. It reports which.
func (d *DB) SucceedEvent(ctx context.Context, a event.Attempt, record event.Record) (stored bool, err error) {
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		news, err := insertRecords(ctx, runner{d, tx}, []event.Record{record})
		if err != nil {
			return err
		}
		outcome := event.NoChange
		if stored = news[0]; stored {
			outcome = event.Applied
		}
		return finishEvent(ctx, runner{d, tx}, a, order.Result{Outcome: outcome})
	})
	if err != nil {
		return false, fmt.Errorf("storing what event %s is about: %w", a.ID, d.fault(ctx, err))
	}
	return stored, nil
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ledgerConns are the connections that a worker's batches take: one batch is
// read while another is settled.
const ledgerConns = 2

// ledgerQueries are what ReadEvents and Settle run.
var ledgerQueries = []string{"event_lock", "event_read", "link_foreign", "order_lock", "order_locked", "order_look", "settle_write", "waiting_put"}

// Warm connects, and has the server plan what ReadEvents and Settle run, so that
// the first events after a start don't wait for it: on a table in partitions
// that takes as long as ten batches. It writes nothing. A pool that prepares
// nothing has nothing to warm.
func (d *DB) Warm(ctx context.Context) error {
	if d.prepared == nil {
		return nil
	}
	// Before a transaction takes a connection away: there may be only one.
	for _, name := range ledgerQueries {
		if _, err := d.prepared.get(ctx, d, name); err != nil {
			return d.fault(ctx, err)
		}
	}
	// All are open together: one after the other they would have the same connection.
	for range min(ledgerConns, d.maxConns) {
		tx, err := d.BeginTxx(ctx, nil)
		if err != nil {
			return fmt.Errorf("beginning: %w", d.fault(ctx, err))
		}
		defer func() { _ = tx.Rollback() }()
		if err := rehearse(ctx, runner{d, tx}); err != nil {
			return fmt.Errorf("rehearsing a batch: %w", d.fault(ctx, errors.Join(err, ignoreDone(tx.Rollback()))))
		}
	}
	return nil
}

// rehearse runs what a batch runs, for an event that isn't there.
func rehearse(ctx context.Context, on runner) error {
	nobody := event.Attempt{Ref: event.Ref{OccurredAt: time.Now()}}
	if err := on.list(ctx, new([]storedRow), "event_read", among([]event.Attempt{nobody})...); err != nil {
		return err
	}
	s := newSettlement(on, []order.Work{{Attempt: nobody}})
	if err := s.lockEvents(ctx); err != nil {
		return err
	}
	none := pq.StringArray{""}
	if _, _, err := s.look(ctx, names{none, none, none}); err != nil {
		return err
	}
	if _, err := s.lockOrders(ctx, none); err != nil {
		return err
	}
	nothing := pq.StringArray{}
	if err := on.list(ctx, new([]foreignName), "link_foreign", nothing, nothing, nothing); err != nil {
		return err
	}
	if err := on.exec(ctx, "waiting_put", nothing, nothing, nothing, pq.Int64Array{}, nothing); err != nil {
		return err
	}
	return finishEvent(ctx, on, nobody, order.Result{})
}

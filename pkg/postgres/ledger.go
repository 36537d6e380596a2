package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// Settle works a batch of events off in one transaction: it locks them and the
// orders that they lead to, folds, and writes the new states, the transitions
// and the events' own end together. It answers one result per attempt.
//
// An attempt whose event was worked off before answers the zero Result. An
// error is the whole batch's, and nothing of it is written then.
func (d *DB) Settle(ctx context.Context, work []order.Work) ([]order.Result, error) {
	var results []order.Result
	err := d.inTx(ctx, func(tx *sqlx.Tx) error {
		b := &settlement{tx: tx, work: work, results: make([]order.Result, len(work))}
		results = b.results
		return b.run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("settling %d events: %w", len(work), d.fault(ctx, err))
	}
	return results, nil
}

// inTx runs f in one transaction.
func (d *DB) inTx(ctx context.Context, f func(*sqlx.Tx) error) error {
	tx, err := d.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	// Where f panics, too: whoever recovers must not leave locks behind. After
	// a commit it does nothing.
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// settlement is one batch on its way through one transaction.
type settlement struct {
	tx       *sqlx.Tx
	work     []order.Work
	results  []order.Result
	at       []int         // entries[i] is of work[at[i]]
	entries  []order.Entry // those that could be read
	finished []bool        // per event: locked here, so ours to finish
	looking  bool          // nothing will be written
}

func (s *settlement) run(ctx context.Context) error {
	if err := s.lockEvents(ctx); err != nil {
		return fmt.Errorf("locking the events: %w", err)
	}
	book, err := s.openBook(ctx)
	if err != nil {
		return fmt.Errorf("reading the orders: %w", err)
	}
	settled := book.Settle(s.entries)
	if err := s.refuseForeign(ctx, settled); err != nil {
		return fmt.Errorf("looking at unplaced events: %w", err)
	}
	if err := s.putWaiting(ctx, settled); err != nil {
		return fmt.Errorf("noting what events wait for: %w", err)
	}
	for i, r := range settled {
		s.results[s.at[i]] = r
	}
	if err := writeChanges(ctx, s.tx, book.Changes()); err != nil {
		return fmt.Errorf("writing the orders: %w", err)
	}
	if err := s.finishEvents(ctx); err != nil {
		return fmt.Errorf("finishing the events: %w", err)
	}
	return nil
}

func (s *settlement) lockEvents(ctx context.Context) error {
	attempts := make([]event.Attempt, len(s.work))
	index := make(map[string]int, len(s.work))
	for i, w := range s.work {
		attempts[i], index[w.ID] = w.Attempt, i
	}
	var rows []struct {
		ID     string       `db:"id"`
		Status event.Status `db:"status"`
	}
	ids, seconds := refs(attempts)
	if err := s.tx.SelectContext(ctx, &rows, db.Query("event_lock"), ids, seconds, slices.Min(seconds), slices.Max(seconds)); err != nil {
		return err
	}
	s.finished = make([]bool, len(s.work))
	for _, r := range rows {
		if r.Status != event.Processing {
			continue
		}
		i := index[r.ID]
		s.finished[i] = true
		if err := s.work[i].Err; err != nil {
			s.results[i].Err = err
			continue
		}
		s.at, s.entries = append(s.at, i), append(s.entries, s.work[i].Entry)
	}
	return nil
}

// finishEvents writes the end of every event that has one. What waits for its
// payment stays as it is, until its last attempt; what a service's fault kept
// from its end stays even then.
func (s *settlement) finishEvents(ctx context.Context) error {
	var ids, status, outcomes, reasons, orders []string
	var seconds, numbers []int64
	for i, a := range s.work {
		r := s.results[i]
		if !s.finished[i] || r.Err != nil && !event.IsPermanent(r.Err) && (!a.Last || event.IsUnavailable(r.Err)) {
			continue
		}
		end, outcome, reason := event.Completed, r.Outcome, ""
		if r.Err != nil {
			end, outcome, reason = event.Failed, "", r.Err.Error()
		}
		ids, seconds = append(ids, a.ID), append(seconds, a.OccurredAt.Unix())
		status, outcomes = append(status, string(end)), append(outcomes, string(outcome))
		reasons, numbers = append(reasons, reason), append(numbers, int64(a.Number))
		orders = append(orders, r.OrderID)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := s.tx.ExecContext(ctx, db.Query("event_finish"), pq.StringArray(ids), pq.Int64Array(seconds),
		pq.StringArray(status), pq.StringArray(outcomes), pq.StringArray(reasons), pq.Int64Array(numbers),
		slices.Min(seconds), slices.Max(seconds), pq.StringArray(orders))
	return err
}

// FailEvent ends an event that is still PROCESSING as FAILED: for an error
// that Settle can't record itself, since it rolls back.
func (d *DB) FailEvent(ctx context.Context, a event.Attempt, reason string) error {
	complete, err := withTimes(ctx, d, []event.Attempt{a})
	if err == nil {
		err = finishEvent(ctx, d, complete[0], event.Failed, "", reason)
	}
	if err != nil {
		return fmt.Errorf("failing event %s: %w", a.ID, d.fault(ctx, err))
	}
	return nil
}

// finishEvent ends one event that is about no order by itself.
func finishEvent(ctx context.Context, on sqlx.ExecerContext, a event.Attempt, end event.Status, outcome event.Outcome, reason string) error {
	at := a.OccurredAt.Unix()
	_, err := on.ExecContext(ctx, db.Query("event_finish"), pq.StringArray{a.ID}, pq.Int64Array{at},
		pq.StringArray{string(end)}, pq.StringArray{string(outcome)}, pq.StringArray{reason}, pq.Int64Array{int64(a.Number)},
		at, at, pq.StringArray{""})
	return err
}

func writeChanges(ctx context.Context, tx *sqlx.Tx, c order.Changes) error {
	for _, write := range []func(context.Context, *sqlx.Tx, order.Changes) error{
		// Links first: those that the payments' trigger makes count as the
		// ordering application's word.
		insertLinks, updatePayments, updateOrders, insertTransitions,
	} {
		if err := write(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

func updatePayments(ctx context.Context, tx *sqlx.Tx, c order.Changes) error {
	if len(c.Payments) == 0 {
		return nil
	}
	n := len(c.Payments)
	ids, status, provider, facts := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	livemode, refunded := make([]bool, n), make([]int64, n)
	for i, p := range c.Payments {
		text, err := json.Marshal(p.Facts)
		if err != nil {
			return fmt.Errorf("encoding the facts of payment %s: %w", p.ID, err)
		}
		ids[i], status[i], provider[i], facts[i] = p.ID, string(p.Status), p.ProviderPaymentID, string(text)
		livemode[i], refunded[i] = p.Livemode, p.Refunded()
	}
	_, err := tx.ExecContext(ctx, db.Query("payment_update"), pq.StringArray(ids), pq.StringArray(status),
		pq.StringArray(provider), pq.BoolArray(livemode), pq.StringArray(facts), pq.Int64Array(refunded))
	return err
}

func updateOrders(ctx context.Context, tx *sqlx.Tx, c order.Changes) error {
	if len(c.Orders) == 0 {
		return nil
	}
	ids, status := make([]string, len(c.Orders)), make([]string, len(c.Orders))
	for i, o := range c.Orders {
		ids[i], status[i] = o.ID, string(o.Status)
	}
	_, err := tx.ExecContext(ctx, db.Query("order_update"), pq.StringArray(ids), pq.StringArray(status))
	return err
}

func insertTransitions(ctx context.Context, tx *sqlx.Tx, c order.Changes) error {
	if len(c.Transitions) == 0 {
		return nil
	}
	var columns [8][]string
	for _, t := range c.Transitions {
		for i, v := range []string{t.OrderID, t.PaymentID, t.EventID, string(t.OrderFrom), string(t.OrderTo),
			string(t.PaymentFrom), string(t.PaymentTo), t.Reason} {
			columns[i] = append(columns[i], v)
		}
	}
	args := make([]any, len(columns))
	for i := range columns {
		args[i] = pq.StringArray(columns[i])
	}
	_, err := tx.ExecContext(ctx, db.Query("transition_insert"), args...)
	return err
}

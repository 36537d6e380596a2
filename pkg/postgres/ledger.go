package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// Settle works a batch of stored events off in one transaction: it locks them,
// lets read say what each contributes, locks the orders that they lead to,
// folds, and writes the new states, the transitions and the events' own end
// together. It answers one result per attempt.
//
// An attempt whose event was worked off before answers the zero Result. An
// error is the whole batch's, and nothing of it is written then.
func (d *DB) Settle(ctx context.Context, attempts []event.Attempt, read func(event.Stored) (order.Contribution, error)) ([]order.Result, error) {
	var results []order.Result
	err := d.inTx(ctx, func(tx *sqlx.Tx) error {
		attempts, err := withTimes(ctx, tx, attempts)
		if err != nil {
			return err
		}
		b := &settlement{tx: tx, attempts: attempts, results: make([]order.Result, len(attempts))}
		results = b.results
		return b.run(ctx, read)
	})
	if err != nil {
		return nil, fmt.Errorf("settling %d events: %w", len(attempts), d.fault(ctx, err))
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
	attempts []event.Attempt
	results  []order.Result
	at       []int         // entries[i] is of attempts[at[i]]
	entries  []order.Entry // those that could be read
	finished []bool        // per attempt: locked here, so ours to finish
	looking  bool          // nothing will be written
}

func (s *settlement) run(ctx context.Context, read func(event.Stored) (order.Contribution, error)) error {
	if err := s.lockEvents(ctx, read); err != nil {
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

func (s *settlement) lockEvents(ctx context.Context, read func(event.Stored) (order.Contribution, error)) error {
	ids, seconds := make([]string, len(s.attempts)), make([]int64, len(s.attempts))
	index := make(map[string]int, len(s.attempts))
	for i, a := range s.attempts {
		ids[i], seconds[i] = a.ID, a.OccurredAt.Unix()
		index[a.ID] = i
	}
	var rows []struct {
		ID              string `db:"id"`
		OccurredAt      int64  `db:"occurredAt"`
		ProviderEventID string `db:"providerEventId"`
		Type            string `db:"eventType"`
		RestaurantID    string `db:"restaurantId"`
		Livemode        bool   `db:"livemode"`
		Status          string `db:"status"`
		Payload         []byte `db:"payload"`
		Account         string `db:"account"`
	}
	if err := s.tx.SelectContext(ctx, &rows, db.Query("event_lock"), pq.StringArray(ids), pq.Int64Array(seconds),
		slices.Min(seconds), slices.Max(seconds)); err != nil {
		return err
	}
	s.finished = make([]bool, len(s.attempts))
	for _, r := range rows {
		if r.Status != string(event.Processing) {
			continue
		}
		i := index[r.ID]
		s.finished[i] = true
		stored := event.Stored{
			Ref:             event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)},
			ProviderEventID: r.ProviderEventID, Type: r.Type,
			RestaurantID: r.RestaurantID, Livemode: r.Livemode, Payload: r.Payload,
		}
		c, err := read(stored)
		if err != nil {
			s.results[i].Err = err
			continue
		}
		s.at = append(s.at, i)
		s.entries = append(s.entries, order.Entry{
			EventID: r.ID, Type: r.Type, RestaurantID: r.RestaurantID, Account: r.Account, Livemode: r.Livemode, Contribution: c,
		})
	}
	return nil
}

// finishEvents writes the end of every event that has one. What waits for its
// payment stays as it is, until its last attempt; what is not to be settled
// here stays, and so does what a service's fault kept from its end.
func (s *settlement) finishEvents(ctx context.Context) error {
	var ids, status, outcomes, reasons, orders []string
	var seconds, numbers []int64
	for i, a := range s.attempts {
		r := s.results[i]
		if !s.finished[i] || errors.Is(r.Err, event.ErrUnsettled) || r.Err != nil && !event.IsPermanent(r.Err) && (!a.Last || event.IsUnavailable(r.Err)) {
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
	if err := s.endWaiting(ctx, ids); err != nil {
		return err
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

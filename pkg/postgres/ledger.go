package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

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
		b := &settlement{on: runner{d, tx}, work: work, results: make([]order.Result, len(work))}
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
	on       runner
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
	if err := write(ctx, s.on, book.Changes(), s.ends()); err != nil {
		return fmt.Errorf("writing the orders and the events' ends: %w", err)
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
	if err := s.on.list(ctx, &rows, "event_lock", among(attempts)...); err != nil {
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

// ends are the events that have an end. What waits for its payment stays as it
// is, until its last attempt; what a service's fault kept from its end stays
// even then.
func (s *settlement) ends() (e ends) {
	for i, w := range s.work {
		r := s.results[i]
		if !s.finished[i] || r.Err != nil && !event.IsPermanent(r.Err) && (!w.Last || event.IsUnavailable(r.Err)) {
			continue
		}
		e.add(w.Attempt, r)
	}
	return e
}

// FailEvent ends an event that is still PROCESSING as FAILED: for an error
// that Settle can't record itself, since it rolls back.
func (d *DB) FailEvent(ctx context.Context, a event.Attempt, reason string) error {
	complete, err := withTimes(ctx, d, []event.Attempt{a})
	if err == nil {
		err = finishEvent(ctx, runner{d: d}, complete[0], order.Result{Err: errors.New(reason)})
	}
	if err != nil {
		return fmt.Errorf("failing event %s: %w", a.ID, d.fault(ctx, err))
	}
	return nil
}

// finishEvent ends one event that is about no order by itself.
func finishEvent(ctx context.Context, on runner, a event.Attempt, r order.Result) error {
	var e ends
	e.add(a, r)
	return write(ctx, on, order.Changes{}, e)
}

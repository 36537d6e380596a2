package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// errUnclear says that a batch has an event with no end yet, which only a
// settlement with locks can tell for sure.
var errUnclear = errors.New("an event of the batch has to wait")

// Settle works a batch of events off in one transaction: it reads the orders
// that they lead to, folds, and writes the new states, the transitions and the
// events' own end together. It answers one result per attempt.
//
// An attempt whose event was worked off before answers the zero Result. An
// error is the whole batch's, and nothing of it is written then.
//
// Two workers hardly ever have the same order, so that nothing is locked first:
// one statement reads, and one writes, if nobody has changed meanwhile what the
// first has read. Otherwise, and for events that have to wait, it is all done
// again with locks.
func (d *DB) Settle(ctx context.Context, work []order.Work) ([]order.Result, error) {
	results, err := d.settleAtOnce(ctx, work)
	if errors.Is(err, errUnclear) || inTheWay(err) {
		results, err = d.settleLocked(ctx, work)
	}
	if err != nil {
		return nil, fmt.Errorf("settling %d events: %w", len(work), d.fault(ctx, err))
	}
	return results, nil
}

func (d *DB) settleAtOnce(ctx context.Context, work []order.Work) ([]order.Result, error) {
	s := newSettlement(runner{d: d}, work)
	s.looking = true
	all := make([]int, len(work))
	for i := range all {
		all[i] = i
	}
	// In the order in which they came, as lockEvents takes them.
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(work[a].ID, work[b].ID) })
	for _, i := range all {
		s.take(i)
	}
	book, err := s.openBook(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the orders: %w", err)
	}
	s.settled(book.Settle(s.entries))
	if slices.ContainsFunc(s.results, func(r order.Result) bool { return r.Err != nil && !event.IsPermanent(r.Err) }) {
		return nil, errUnclear
	}
	return s.results, s.finish(ctx, book)
}

func (d *DB) settleLocked(ctx context.Context, work []order.Work) (results []order.Result, err error) {
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		s := newSettlement(runner{d, tx}, work)
		results = s.results
		return s.run(ctx)
	})
	return results, err
}

// inTx runs f in one transaction.
func (d *DB) inTx(ctx context.Context, f func(*sqlx.Tx) error) (err error) {
	defer func() { d.notice(err) }() // when the connection is back
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
	on      runner
	work    []order.Work
	results []order.Result
	at      []int         // entries[i] is of work[at[i]]
	entries []order.Entry // those that could be read
	ours    []bool        // per event: to be finished here
	looking bool          // nothing is locked
	seen    seen
}

func newSettlement(on runner, work []order.Work) *settlement {
	return &settlement{on: on, work: work, results: make([]order.Result, len(work)), ours: make([]bool, len(work))}
}

// run settles with locks.
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
	s.settled(settled)
	return s.finish(ctx, book)
}

// settled notes the results of the entries.
func (s *settlement) settled(results []order.Result) {
	for i, r := range results {
		s.results[s.at[i]] = r
	}
}

// finish writes what the book has changed, and ends the events.
func (s *settlement) finish(ctx context.Context, book *order.Book) error {
	e := s.ends()
	if err := s.write(ctx, book.Changes(), e, len(e.ids)); err != nil {
		return fmt.Errorf("writing the orders and the events' ends: %w", err)
	}
	return nil
}

// take makes an event ours to finish, with what it contributes if it could be read.
func (s *settlement) take(i int) {
	s.ours[i] = true
	if err := s.work[i].Err; err != nil {
		s.results[i].Err = err
		return
	}
	s.at, s.entries = append(s.at, i), append(s.entries, s.work[i].Entry)
}

// lockEvents takes those of the events that are not finished.
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
	for _, r := range rows {
		if r.Status == event.Processing {
			s.take(index[r.ID])
		}
	}
	return nil
}

// ends are the events that have an end. What waits for its payment stays as it
// is, until its last attempt; what a service's fault kept from its end stays
// even then.
func (s *settlement) ends() (e ends) {
	for i, w := range s.work {
		switch r := s.results[i]; {
		case !s.ours[i]:
		case r.Err != nil && !event.IsPermanent(r.Err) && (!w.Last || event.IsUnavailable(r.Err)):
		default:
			e.add(w.Attempt, r)
		}
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

// finishEvent ends one event that is about no order by itself, if nobody else has.
func finishEvent(ctx context.Context, on runner, a event.Attempt, r order.Result) error {
	var e ends
	e.add(a, r)
	return (&settlement{on: on}).write(ctx, order.Changes{}, e, 0)
}

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

// errOvertaken says that an event of a batch was worked off by somebody else
// meanwhile, or taken away.
var errOvertaken = errors.New("somebody else has finished an event of the batch")

// Settle works a batch of events off in one transaction: it locks the orders
// that they lead to, folds, and writes the new states, the transitions and the
// events' own end together. It answers one result per attempt.
//
// An attempt whose event was worked off before answers the zero Result. An
// error is the whole batch's, and nothing of it is written then.
//
// Two workers hardly ever have the same event, so that it isn't locked first,
// which would be one more round trip. If fewer come to their end than were to,
// all is undone, and done again with locks, which tell whose events they are.
func (d *DB) Settle(ctx context.Context, work []order.Work) ([]order.Result, error) {
	results, err := d.settle(ctx, work, false)
	if errors.Is(err, errOvertaken) {
		results, err = d.settle(ctx, work, true)
	}
	if err != nil {
		return nil, fmt.Errorf("settling %d events: %w", len(work), d.fault(ctx, err))
	}
	return results, nil
}

func (d *DB) settle(ctx context.Context, work []order.Work, locked bool) ([]order.Result, error) {
	s := settlement{work: work, results: make([]order.Result, len(work)), ours: make([]bool, len(work)), locked: locked}
	err := d.inTx(ctx, func(tx *sqlx.Tx) error {
		s.on = runner{d, tx}
		return s.run(ctx)
	})
	return s.results, err
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
	on      runner
	work    []order.Work
	results []order.Result
	at      []int         // entries[i] is of work[at[i]]
	entries []order.Entry // those that could be read
	ours    []bool        // per event: to be finished here
	locked  bool          // the events are locked first
	looking bool          // nothing will be written
}

func (s *settlement) run(ctx context.Context) error {
	if !s.locked {
		s.takeAll()
	} else if err := s.lockEvents(ctx); err != nil {
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
	ends, waiting := s.ends()
	ended, err := write(ctx, s.on, book.Changes(), ends)
	if err != nil {
		return fmt.Errorf("writing the orders and the events' ends: %w", err)
	}
	if s.locked {
		return nil
	}
	unfinished, err := s.lock(ctx, waiting)
	if err != nil {
		return fmt.Errorf("locking the events that wait: %w", err)
	}
	if ended+len(unfinished) < len(s.work) {
		return errOvertaken
	}
	return nil
}

// takeAll takes the events in the order in which they came, as lockEvents does.
func (s *settlement) takeAll() {
	all := make([]int, len(s.work))
	for i := range all {
		all[i] = i
	}
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(s.work[a].ID, s.work[b].ID) })
	for _, i := range all {
		s.take(i)
	}
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

func (s *settlement) lockEvents(ctx context.Context) error {
	attempts := make([]event.Attempt, len(s.work))
	index := make(map[string]int, len(s.work))
	for i, w := range s.work {
		attempts[i], index[w.ID] = w.Attempt, i
	}
	unfinished, err := s.lock(ctx, attempts)
	for _, id := range unfinished {
		s.take(index[id])
	}
	return err
}

// lock locks events, and answers the ids of those that are not finished.
func (s *settlement) lock(ctx context.Context, attempts []event.Attempt) (unfinished []string, err error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	var rows []struct {
		ID     string       `db:"id"`
		Status event.Status `db:"status"`
	}
	if err := s.on.list(ctx, &rows, "event_lock", among(attempts)...); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.Status == event.Processing {
			unfinished = append(unfinished, r.ID)
		}
	}
	return unfinished, nil
}

// ends are the events that have an end. What waits for its payment stays as it
// is, until its last attempt; what a service's fault kept from its end stays
// even then.
func (s *settlement) ends() (e ends, waiting []event.Attempt) {
	for i, w := range s.work {
		switch r := s.results[i]; {
		case !s.ours[i]:
		case r.Err != nil && !event.IsPermanent(r.Err) && (!w.Last || event.IsUnavailable(r.Err)):
			waiting = append(waiting, w.Attempt)
		default:
			e.add(w.Attempt, r)
		}
	}
	return e, waiting
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
	_, err := write(ctx, on, order.Changes{}, e)
	return err
}

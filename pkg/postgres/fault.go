package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"tillhook/pkg/event"
)

// classify tells the caller when a statement's rows are at fault, or another
// transaction, and not the server. The codes are SQLSTATE's: data exception,
// integrity constraint violation, program limit exceeded, and what a trigger
// raises, as the ordering application may have some; serialization failure,
// deadlock, lock not available, canceled by a timeout.
//
// What else fails in a function may do so for some rows only: a trigger of the
// ordering application that looks for a table which one restaurant doesn't have must
// not keep all others' events from their end.
//
// Whatever is left is the server's state, and passes: no connection, a server
// that shuts down or starts up, that is full, that takes no writes. So does a
// statement that was canceled because ctx has ended: it was slow, and each of
// its rows alone would be as slow.
func classify(ctx context.Context, err error) error {
	var e *pq.Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return err
	}
	if e.Routine == queueOfNotifications {
		return err
	}
	switch e.Code.Class() {
	case "22", "23", "54", "P0", "45":
		return fmt.Errorf("%w: %w", event.ErrUnstorable, err)
	}
	switch e.Code {
	case "40001", "40P01", "55P03", "57014":
		return fmt.Errorf("%w: %w", event.ErrContended, err)
	}
	if e.Where != "" && !slices.Contains(ofTheServer, e.Code.Class()) {
		return fmt.Errorf("%w: %w", event.ErrTrigger, err)
	}
	return err
}

// ofTheServer are the classes of codes that tell of the server's state, wherever it is
// noticed: connections, transactions that may not write, rights to connect, resources,
// operators, the system.
var ofTheServer = []pqerror.Class{"08", "25", "28", "53", "57", "58"}

// queueOfNotifications is the server's routine that a commit ends in when there is no
// room for what it has to tell, because somebody who listens has not ended a
// transaction for long. Its code is that of a row that is too large.
const queueOfNotifications = "PreCommit_Notify"

// inTheWay reports whether a statement was given up for another transaction: one
// that has changed what it rests on, that waits for it, or that holds a lock for
// longer than one waits.
func inTheWay(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01" || e.Code == "55P03")
}

// fault is classify for a statement that writes.
func (d *DB) fault(ctx context.Context, err error) error {
	d.notice(err)
	return classify(ctx, err)
}

// notice looks for a server that has stopped to take writes. It is not the
// primary any more, but its connections look as good as ever: they are dropped,
// so that the next ones find the new primary. So are those that listen: where
// nothing is written nothing is ever heard.
func (d *DB) notice(err error) {
	var e *pq.Error
	if errors.As(err, &e) && e.Code == "25006" {
		d.circuit.open(err)
		d.SetMaxIdleConns(0) // which closes them
		d.SetMaxIdleConns(d.maxConns)
		d.ears.Range(func(dial, _ any) bool {
			dial.(*lastDialer).cut()
			return true
		})
	}
}

// ExecContext is sqlx's, GetContext and SelectContext are, too; whichever
// statement is the first to be refused by a primary of yesterday, it is noticed.
func (d *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := d.DB.ExecContext(ctx, query, args...)
	d.notice(err)
	return result, err
}

// GetContext reads one row into dest.
func (d *DB) GetContext(ctx context.Context, dest any, query string, args ...any) error {
	err := d.DB.GetContext(ctx, dest, query, args...)
	d.notice(err)
	return err
}

// SelectContext reads all rows into dest, a pointer to a slice.
func (d *DB) SelectContext(ctx context.Context, dest any, query string, args ...any) error {
	err := d.DB.SelectContext(ctx, dest, query, args...)
	d.notice(err)
	return err
}

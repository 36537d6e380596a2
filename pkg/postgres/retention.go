package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// CreatePartitions makes sure that "WebhookEvent" has its weekly partitions
// from past days ago to future days ahead, and answers how many it made.
func (d *DB) CreatePartitions(ctx context.Context, past, future int) (made int, err error) {
	if err := d.GetContext(ctx, &made, db.Query("partition_ensure"), past, future); err != nil {
		return 0, fmt.Errorf("creating partitions: %w", classify(ctx, err))
	}
	return made, nil
}

// Partitions lists those of "WebhookEvent", oldest first, the default one last.
func (d *DB) Partitions(ctx context.Context) ([]event.Partition, event.Clocks, error) {
	var clocks struct {
		Database time.Time    `db:"database"`
		Stored   sql.NullTime `db:"stored"`
		Created  sql.NullTime `db:"created"`
		Dropped  int          `db:"dropped"`
	}
	if err := d.GetContext(ctx, &clocks, db.Query("partition_clocks")); err != nil {
		return nil, event.Clocks{}, fmt.Errorf("reading the clocks: %w", err)
	}
	var rows []struct {
		Name       string       `db:"name"`
		From       sql.NullTime `db:"starts"`
		To         sql.NullTime `db:"ends"`
		Rows       int64        `db:"rows"`
		Bytes      int64        `db:"bytes"`
		Unfinished int          `db:"unfinished"`
	}
	if err := d.SelectContext(ctx, &rows, db.Query("partition_list")); err != nil {
		return nil, event.Clocks{}, fmt.Errorf("listing partitions: %w", err)
	}
	all := make([]event.Partition, len(rows))
	for i, r := range rows {
		all[i] = event.Partition{Name: r.Name, From: inUTC(r.From), To: inUTC(r.To), Rows: r.Rows, Bytes: r.Bytes, Unfinished: r.Unfinished}
	}
	return all, event.Clocks{
		Database: clocks.Database.UTC(), Stored: inUTC(clocks.Stored), Created: inUTC(clocks.Created), Dropped: clocks.Dropped,
	}, nil
}

// inUTC is the zero time for NULL.
func inUTC(t sql.NullTime) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

// DropPartition is DropPartitionAs by the janitor.
func (d *DB) DropPartition(ctx context.Context, name string, before time.Time) (kept string, err error) {
	return d.DropPartitionAs(ctx, Operator{Actor: "janitor", Action: "drop partition"}, name, before)
}

// DropPartitionAs drops a week that ends before a time, or answers why it is
// kept, which it also is while a view or anything else that is not ours is made of it.
// It gives up with event.ErrContended, rather than have the writers wait behind it for
// whoever holds the table.
func (d *DB) DropPartitionAs(ctx context.Context, by Operator, name string, before time.Time) (kept string, err error) {
	if err := d.GetContext(ctx, &kept, db.Query("partition_drop"), name, before, by.Actor, by.Action); err != nil {
		var e *pq.Error
		if errors.As(err, &e) && e.Code == "2BP01" {
			what, _, _ := strings.Cut(e.Detail, "\n") // the first of them
			return "something depends on it: " + what, nil
		}
		return "", fmt.Errorf("dropping partition %s: %w", name, d.fault(ctx, err))
	}
	return kept, nil
}

// Sweep deletes rows that have no week to go with, at most limit of each kind:
// finished events of absurd times that were stored before a time, what is left
// of waiting, and uses of secrets that have been replaced.
func (d *DB) Sweep(ctx context.Context, before time.Time, limit int) (event.Swept, error) {
	var s event.Swept
	for _, one := range []struct {
		query   string
		args    []any
		deleted *int
	}{
		{"sweep_events", []any{before, limit}, &s.Events},
		{"sweep_waiting", []any{limit}, &s.Waiting},
		{"sweep_secret_uses", []any{before}, &s.SecretUses},
	} {
		result, err := d.ExecContext(ctx, db.Query(one.query), one.args...)
		if err != nil {
			return s, fmt.Errorf("sweeping (%s): %w", one.query, d.fault(ctx, err))
		}
		n, err := result.RowsAffected()
		if err != nil {
			return s, fmt.Errorf("counting what was swept: %w", err)
		}
		*one.deleted = int(n)
	}
	return s, nil
}

// Alone does work unless another process is at it, and reports whether it did.
func (d *DB) Alone(ctx context.Context, work func(context.Context) error) (did bool, err error) {
	return d.alone(ctx, "tillhook_janitor", work)
}

// Watch is Alone for whoever observes.
func (d *DB) Watch(ctx context.Context, work func(context.Context) error) (did bool, err error) {
	return d.alone(ctx, "tillhook_observer", work)
}

// alone keeps a connection for as long as work takes: its lock ends with it.
func (d *DB) alone(ctx context.Context, role string, work func(context.Context) error) (did bool, err error) {
	conn, err := d.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("connecting for the lock %s: %w", role, err)
	}
	defer conn.Close()
	if err := conn.QueryRowContext(ctx, db.Query("alone"), role).Scan(&did); err != nil || !did {
		if err != nil {
			err = fmt.Errorf("taking the lock %s: %w", role, err)
		}
		return false, err
	}
	err = work(ctx)
	// ctx may have ended. A connection that is lost has lost the lock, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = conn.ExecContext(ctx, db.Query("alone_end"), role)
	return true, err
}

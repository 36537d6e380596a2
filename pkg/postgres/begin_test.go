package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
)

// Transactions are of the kind that was asked for, one after the other on one
// connection; one whose context ends is given up, and not the next.
func TestTransactionsOfEveryKind(t *testing.T) {
	t.Parallel()
	d, err := postgres.Open(devstack.Database(t, migrate), postgres.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	repeatable := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	for i, c := range []struct {
		options *sql.TxOptions
		want    []string // isolation, read only
	}{
		{nil, []string{"read committed", "off"}}, {repeatable, []string{"repeatable read", "on"}},
		{nil, []string{"read committed", "off"}}, {nil, []string{"read committed", "off"}},
		{&sql.TxOptions{Isolation: sql.LevelSerializable}, []string{"serializable", "off"}},
		{repeatable, []string{"repeatable read", "on"}}, {nil, []string{"read committed", "off"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := d.BeginTxx(ctx, c.options)
		if err != nil {
			t.Fatal(i, err)
		}
		got := make([]string, 2)
		if err := tx.QueryRowContext(ctx, `SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')`).Scan(&got[0], &got[1]); err != nil {
			t.Fatal(i, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("transaction %d (-want +got)\n%s", i, diff)
		}
		if i%2 == 0 {
			err = tx.Commit()
		} else {
			cancel()
			if err = tx.Commit(); errors.Is(err, context.Canceled) || errors.Is(err, sql.ErrTxDone) {
				err = nil
			}
		}
		cancel()
		if err != nil {
			t.Fatal(i, err)
		}
	}
}

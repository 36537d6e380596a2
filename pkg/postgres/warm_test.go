package postgres_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
)

// planned are the statements that the server keeps a plan of on a connection.
const planned = `SELECT substring(statement FROM '/\* (\w+) \*/') FROM pg_prepared_statements WHERE generic_plans > 0 ORDER BY 1`

func TestWarmPlansOnEveryConnection(t *testing.T) {
	url := devstack.Database(t, migrate)
	for _, c := range []struct{ limit, want int }{{limit: 1, want: 1}, {limit: 8, want: 2}} {
		db := warmed(t, url, c.limit)
		if n := db.Stats().OpenConnections; n != c.want {
			t.Errorf("of %d connections %d are open, want %d", c.limit, n, c.want)
		}
		for range c.want {
			conn, err := db.Connx(context.Background()) // kept until the end, so that the next one is another
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var names []string
			if err := sqlx.SelectContext(context.Background(), conn, &names, planned); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"event_lock", "event_read", "link_foreign", "order_lock", "order_locked", "order_look", "settle_write", "waiting_put"}, names); diff != "" {
				t.Errorf("planned with %d connections (-want +got):\n%s", c.limit, diff)
			}
		}
	}
}

func warmed(t *testing.T, url string, limit int) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(url, postgres.Options{Name: t.Name(), Batches: true, MaxConns: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Warm(context.Background()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestWarmTellsWhatIsMissing(t *testing.T) {
	db := migrated(t)
	exec(t, db, `DROP TABLE "WaitingEvent"`)
	if err := db.Warm(context.Background()); err != nil {
		t.Errorf("a pool that prepares nothing: %v", err)
	}
	batches, err := postgres.Open(devstack.Database(t, func(string) error { return nil }), postgres.Options{Batches: true})
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Close()
	if err := batches.Warm(context.Background()); err == nil {
		t.Error("an empty database is no error")
	}
}

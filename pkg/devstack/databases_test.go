package devstack

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var migrations atomic.Int32

// migrateNotes leaves a connection open for a moment, as pools do.
func migrateNotes(databaseURL string) error {
	migrations.Add(1)
	_, err := tryQuery(context.Background(), databaseURL, "CREATE TABLE note (text text)")
	return err
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	var urls [4]string
	t.Run("each test has its own", func(t *testing.T) {
		for i := range urls {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				urls[i] = Database(t, migrateNotes)
				query(t, urls[i], "INSERT INTO note VALUES ('mine')")
				if got := query(t, urls[i], "SELECT count(*) FROM note"); got != "1" {
					t.Errorf("%s notes, want this test's alone", got)
				}
			})
		}
	})
	if got := migrations.Load(); got != 1 {
		t.Errorf("migrated %d times", got)
	}
	for _, u := range urls {
		if _, err := tryQuery(t.Context(), u, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("after its test the database gives %v", err)
		}
	}
	empty := Database(t, nil)
	if got := query(t, empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != "0" {
		t.Errorf("%s tables in the empty database", got)
	}
}

// A test whose pool is still open at its end, or leaks, leaves no database.
func TestDatabaseInUseIsDroppedToo(t *testing.T) {
	t.Parallel()
	outer := t
	var mine string
	t.Run("leaking", func(t *testing.T) {
		mine = Database(t, migrateNotes)
		db, err := sql.Open("postgres", mine)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		outer.Cleanup(func() { _ = db.Close() }) // after the end of this test, so after the drop
	})
	if _, err := tryQuery(t.Context(), mine, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("after its test the database gives %v", err)
	}
}

func pathOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// The same tests, run by several processes on one server at once, get along;
// and what processes leave when they are gone, the next one removes.
func TestDatabaseOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	server := OwnPostgres(t)
	runs := make([]*exec.Cmd, 3)
	for i := range runs {
		runs[i] = exec.Command(os.Args[0], "-test.run=^TestDatabase(InUseIsDroppedToo)?$", "-test.v")
		runs[i].Env = append(os.Environ(), "DATABASE_URL="+server.URL)
	}
	finish(t, runs[:2]...)
	owned := func() string {
		return query(t, server.URL, "SELECT count(*) FROM pg_database WHERE datname LIKE 'tillhook%'")
	}
	// One template each; or one, if the first had gone when the second came.
	if got := owned(); got != "2" && got != "1" {
		t.Errorf("%s databases are left after two processes", got)
	}
	finish(t, runs[2])
	if got := owned(); got != "1" {
		t.Errorf("%s databases are left after a third", got)
	}
}

// finish runs test processes side by side.
func finish(t *testing.T, runs ...*exec.Cmd) {
	t.Helper()
	outs := make([]strings.Builder, len(runs))
	for i, run := range runs {
		run.Stdout, run.Stderr = &outs[i], &outs[i]
		run.WaitDelay = time.Minute
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, run := range runs {
		if err := run.Wait(); err != nil || !strings.Contains(outs[i].String(), "--- PASS") {
			t.Errorf("%v: %v\n%s", run.Args, err, outs[i].String())
		}
	}
}

// What a living process has made is not swept, nor what only looks alike.
func TestDatabaseSweepKnowsWhoLives(t *testing.T) {
	t.Parallel()
	server := OwnPostgres(t)
	living, err := newDatabases(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := living.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, _, err := living.create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tillhook_test_dead_1", "tillhook_testing"} {
		query(t, server.URL, "CREATE DATABASE "+name)
	}
	next, err := newDatabases(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	join := func() string {
		t.Helper()
		if err := next.join(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := next.presence.Close(); err != nil {
			t.Fatal(err)
		}
		return query(t, server.URL, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'tillhook%'")
	}
	if diff := cmp.Diff(kept+" tillhook_testing", join()); diff != "" {
		t.Error(diff)
	}
	if err := living.presence.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sweep after its end", func() bool { return join() == "tillhook_testing" })
}

func TestDatabaseMigrationThatFails(t *testing.T) {
	t.Parallel()
	server := OwnPostgres(t)
	d, err := newDatabases(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for range 2 {
		_, _, err = d.create(t.Context(), func(databaseURL string) error {
			tries++
			_, err := tryQuery(t.Context(), databaseURL, "CREATE TABEL note ()")
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "migrating the template database: pq: syntax error") {
			t.Errorf("got %v", err)
		}
	}
	if tries != 1 {
		t.Errorf("tried %d times", tries)
	}
}

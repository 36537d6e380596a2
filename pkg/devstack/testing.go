package devstack

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// setupWithin bounds the making of a test's database or server, without a
// download.
const setupWithin = 2 * time.Minute

// sharedDatabases is the one server of this process's tests. Nobody closes it:
// it ends with the process, and its files with it.
var sharedDatabases = sync.OnceValues(func() (*databases, error) {
	// Whichever test comes first, the server is not bound to its context; and a
	// machine without PostgreSQL needs time for the download.
	ctx := context.Background()
	external := os.Getenv("DATABASE_URL")
	server, err := StartPostgres(ctx, Config{DatabaseURL: external})
	if err != nil {
		return nil, err
	}
	d, err := newDatabases(server.URL)
	if err == nil {
		d.postgres = server
	}
	if err != nil || external == "" {
		return d, err
	}
	ctx, cancel := context.WithTimeout(ctx, setupWithin)
	defer cancel()
	return d, d.join(ctx)
})

// sharedRedis is the one redis-server of this process's tests, likewise.
var sharedRedis = sync.OnceValues(func() (*Redis, error) {
	return StartRedis(context.Background(), Config{RedisURL: os.Getenv("REDIS_URL")})
})

// Database returns the URL of a fresh database of this test's own, which is
// dropped after the test. It is on the server that DATABASE_URL in the
// environment names, else on one that all tests of this process share. migrate
// is run once per process, on a template that the databases are copies of, and
// has to be the same function in every test; with nil the database is empty.
func Database(t testing.TB, migrate func(databaseURL string) error) string {
	t.Helper()
	d, err := sharedDatabases()
	if err != nil {
		t.Fatalf("getting a Postgres for the tests: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), setupWithin)
	defer cancel()
	name, databaseURL, err := d.create(ctx, migrate)
	if err != nil {
		t.Fatalf("making a database for this test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), setupWithin)
		defer cancel()
		if err := d.drop(ctx, name); err != nil {
			t.Errorf("dropping the database of this test: %v", err)
		}
	})
	return databaseURL
}

// RedisURL returns the URL of an empty Redis database of this test's own: on
// the server that REDIS_URL in the environment names, else on a redis-server
// that all tests of this process share, else in a miniredis of this test's.
// Leave FLUSHALL to tests with a RealRedis: here it would hit other tests.
func RedisURL(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("REDIS_URL") == "" {
		// Its goroutines must be gone by the end of the test, so it is not shared.
		mini, err := startMiniRedis()
		if err != nil {
			t.Fatalf("starting a Redis for this test: %v", err)
		}
		closeAfter(t, mini)
		return mini.URL
	}
	server, err := sharedRedis()
	if err != nil {
		t.Fatalf("getting a Redis for the tests: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), setupWithin)
	defer cancel()
	databaseURL, number, err := claimRedis(ctx, server.URL)
	if err != nil {
		t.Fatalf("finding a Redis database for this test on %s: %v", server.From, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), setupWithin)
		defer cancel()
		if err := releaseRedis(ctx, server.URL, number); err != nil {
			t.Errorf("giving back the Redis database of this test: %v", err)
		}
	})
	return databaseURL
}

// RealRedis returns a redis-server of this test's own, which the test may stop
// and start. It ignores REDIS_URL, and skips the test on a machine without a
// redis-server.
func RealRedis(t testing.TB) *Redis {
	t.Helper()
	return ownRedis(t, Config{})
}

// LastingRedis is a RealRedis that has its data again after Stop or Kill.
func LastingRedis(t testing.TB) *Redis {
	t.Helper()
	return ownRedis(t, Config{RedisAppendOnly: true})
}

func ownRedis(t testing.TB, cfg Config) *Redis {
	t.Helper()
	Tool(t, "redis-server")
	ctx, cancel := context.WithTimeout(t.Context(), setupWithin)
	defer cancel()
	server, err := StartRedis(ctx, cfg)
	if err != nil {
		t.Fatalf("starting a redis-server for this test: %v", err)
	}
	closeAfter(t, server)
	return server
}

// OwnPostgres returns a Postgres of this test's own, which the test may stop,
// kill and start. It ignores DATABASE_URL. Its URL is that of an empty database.
func OwnPostgres(t testing.TB) *Postgres {
	t.Helper()
	server, err := StartPostgres(t.Context(), Config{})
	if err != nil {
		t.Fatalf("starting a Postgres for this test: %v", err)
	}
	closeAfter(t, server)
	return server
}

// Tool is the path of a program that a test needs besides Go. Whoever has only Go
// does without the test; the gate, which sets CI, must have the program: a test
// that is skipped there would guard nothing.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("the gate has no %s: %v", name, err)
	}
	t.Skipf("this machine has no %s; .ci/run installs it", name)
	return ""
}

// FreePort returns a port on loopback that a server may be stopped and started
// on: no outgoing connection is given it meanwhile.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func closeAfter(t testing.TB, server interface{ Close() error }) {
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("closing a server of this test: %v", err)
		}
	})
}

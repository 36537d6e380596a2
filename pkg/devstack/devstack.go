// Package devstack runs the Postgres and the Redis that development and tests
// need: the ones that the environment names, else ones that it starts itself
// from what the machine has, else from what it fetches or carries inside.
//
// Whatever it starts listens on loopback only, asks for a random password, runs
// as an unprivileged user, and ends with this process however this process
// ends. Only cmd/dev and tests may link it.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// readyWithin bounds every wait for a server to answer or to end. It is far
// above what either takes (milliseconds to seconds): it is there so that a
// server that hangs becomes an error with a log and not a stuck test run.
const readyWithin = time.Minute

// Config says which services to use; the zero Config finds everything by
// itself. It reads no environment: the caller passes what it found there.
type Config struct {
	DatabaseURL string // used as it is when set: nothing is started
	RedisURL    string // likewise

	// Dir is where data, binaries and logs live. Empty means the user's cache
	// folder + "/tillhook", or, where the servers' user cannot get there,
	// /var/cache/tillhook (root only) or a folder of this user's below the
	// system's temporary folder; and data that may be lost, in memory where there
	// is room.
	Dir string

	// Keep keeps the Postgres data between runs, in Dir/pgdata-<major version>.
	// Otherwise the cluster is fresh and is removed at Close. Redis never
	// keeps anything: it may be wiped at any time without losing an event.
	Keep bool

	// Fsync makes commits survive a crash of the machine, as in production.
	// Without it they still survive a crash of the server.
	Fsync bool

	// RedisAppendOnly makes a redis-server write down what it answers for, so
	// that it is there again after Stop or Kill, as in production.
	RedisAppendOnly bool

	// PostgresRepository is the Maven repository that PostgreSQL is fetched
	// from when the machine has none; empty means Maven Central.
	PostgresRepository string

	// Log gets progress lines, such as "fetching PostgreSQL 15 …"; nil is silent.
	Log func(format string, args ...any)

	places []string // folders to look for postgres and initdb in; nil means the usual ones
}

func (c Config) logf(format string, args ...any) {
	if c.Log != nil {
		c.Log(format, args...)
	}
}

// Stack is a Postgres and a Redis, ready to be used.
type Stack struct {
	DatabaseURL string
	RedisURL    string

	// What was used, for people to read: "PostgreSQL 15.18 in
	// /usr/lib/postgresql/15/bin", "DATABASE_URL", "redis-server 7.0.15",
	// "miniredis (in process)".
	PostgresFrom string
	RedisFrom    string

	postgres *Postgres
	redis    *Redis
}

// Start makes both services ready. After an error nothing is left running.
// ctx bounds the start only; a service that runs is ended by Close.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	postgres, err := StartPostgres(ctx, cfg)
	if err != nil {
		return nil, err
	}
	redis, err := StartRedis(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, postgres.Close())
	}
	return &Stack{
		DatabaseURL: postgres.URL, PostgresFrom: postgres.From, postgres: postgres,
		RedisURL: redis.URL, RedisFrom: redis.From, redis: redis,
	}, nil
}

// Close stops what Start started, orderly, and waits for its end. Services that
// were only used are left alone. Closing twice is fine.
func (s *Stack) Close() error {
	return errors.Join(s.redis.Close(), s.postgres.Close())
}

// notOurs refuses to stop or start a service that somebody else runs.
func notOurs(verb, from string) error {
	return fmt.Errorf("%s the server of %s: it was not started here", verb, from)
}

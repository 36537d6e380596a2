package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/lib/pq"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/bench/reference"
	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/secret"
)

// Services is what was measured on. A figure without a durable commit would be
// worth nothing.
type Services struct {
	Postgres          string `json:"postgres"`
	Redis             string `json:"redis"`
	Fsync             string `json:"fsync"`
	SynchronousCommit string `json:"synchronous_commit"`
	FullPageWrites    string `json:"full_page_writes"`
}

// services are a Postgres and a Redis, with databases of our own on them.
type services struct {
	stack      *devstack.Stack
	admin      *sql.DB
	redis      *redis.Client
	postmaster int
	databases  []string // that we made
	redisURLs  []string // of databases that were empty
	redisTried int      // how many were looked at
	about      Services
}

// openServices starts the services, or takes those that the environment names.
func (b *bench) openServices(ctx context.Context) (err error) {
	s := &b.services
	s.stack, err = devstack.Start(ctx, devstack.Config{
		DatabaseURL: lookup(b.p.Env, "DATABASE_URL"), RedisURL: lookup(b.p.Env, "REDIS_URL"),
		Dir: b.o.Dir, Fsync: true, Log: b.say,
	})
	if err != nil {
		return err
	}
	if s.admin, err = sql.Open("postgres", s.stack.DatabaseURL); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	var backend int
	var version string
	err = s.admin.QueryRowContext(ctx, `SELECT pg_backend_pid(), current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('full_page_writes')`).
		Scan(&backend, &version, &s.about.Fsync, &s.about.SynchronousCommit, &s.about.FullPageWrites)
	if err != nil {
		return fmt.Errorf("asking Postgres how it commits: %w", err)
	}
	if s.about.Fsync != "on" || s.about.SynchronousCommit == "off" {
		return fmt.Errorf("fsync is %s and synchronous_commit is %s: commits would not be durable", s.about.Fsync, s.about.SynchronousCommit)
	}
	s.postmaster = postmaster(backend)
	s.about.Postgres = "PostgreSQL " + version
	options, err := redis.ParseURL(s.stack.RedisURL)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	s.redis = redis.NewClient(options)
	info, err := s.redis.InfoMap(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("asking Redis what it is: %w", err)
	}
	if info["Server"]["process_id"] == "" {
		return errors.New("this is no real Redis server: install redis-server, or name one in REDIS_URL")
	}
	s.about.Redis = "Redis " + info["Server"]["redis_version"]
	return nil
}

// newDatabase makes an empty database, which goes with the rest.
func (s *services) newDatabase(ctx context.Context, name string) (string, error) {
	name = fmt.Sprintf("tillhook_bench_%d_%s", time.Now().UnixNano(), name)
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name)+" TEMPLATE template0"); err != nil {
		return "", fmt.Errorf("making a database: %w", err)
	}
	s.databases = append(s.databases, name)
	u, err := url.Parse(s.stack.DatabaseURL)
	if err != nil {
		return "", errors.New("DATABASE_URL is not one")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// newRedis finds an empty database, from the last of the usual sixteen on down:
// the first ones are what others use.
func (s *services) newRedis(ctx context.Context) (string, error) {
	for s.redisTried < 15 {
		number := 15 - s.redisTried
		s.redisTried++
		u, err := url.Parse(s.stack.RedisURL)
		if err != nil {
			return "", errors.New("REDIS_URL is not one")
		}
		u.Path = "/" + strconv.Itoa(number)
		var size int64
		if err := s.onRedis(u.String(), func(c *redis.Client) (err error) {
			size, err = c.DBSize(ctx).Result()
			return err
		}); err != nil {
			return "", fmt.Errorf("looking for an empty Redis database: %w", err)
		}
		if size == 0 {
			s.redisURLs = append(s.redisURLs, u.String())
			return u.String(), nil
		}
	}
	return "", errors.New("there is no empty database in Redis")
}

func (s *services) onRedis(redisURL string, f func(*redis.Client) error) error {
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(options)
	defer client.Close()
	return f(client)
}

// flush removes all tasks. The list of queues stays, which asynq's clients write
// only once.
func (s *services) flush(ctx context.Context, redisURL string) error {
	const queues = "asynq:queues"
	if err := s.onRedis(redisURL, func(c *redis.Client) error {
		names, err := c.SMembers(ctx, queues).Result()
		if err == nil {
			err = c.FlushDB(ctx).Err()
		}
		if err == nil && len(names) > 0 {
			err = c.SAdd(ctx, queues, names).Err()
		}
		return err
	}); err != nil {
		return fmt.Errorf("emptying our Redis database: %w", err)
	}
	return nil
}

// close removes what is ours. It does so after Ctrl-C as well.
func (s *services) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var faults []error
	for _, u := range s.redisURLs {
		faults = append(faults, s.onRedis(u, func(c *redis.Client) error { return c.FlushDB(ctx).Err() }))
	}
	if s.redis != nil {
		faults = append(faults, s.redis.Close())
	}
	for _, name := range s.databases {
		_, err := s.admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(name)+" WITH (FORCE)")
		faults = append(faults, err)
	}
	if s.admin != nil {
		faults = append(faults, s.admin.Close())
	}
	if s.stack != nil {
		faults = append(faults, s.stack.Close())
	}
	return errors.Join(faults...)
}

// site is the databases that one contender works on.
type site struct {
	databaseURL, redisURL string
	db                    *postgres.DB
}

func (b *bench) newSite(ctx context.Context, name string) (s site, err error) {
	if s.databaseURL, err = b.services.newDatabase(ctx, name); err != nil {
		return s, err
	}
	if s.redisURL, err = b.services.newRedis(ctx); err != nil {
		return s, err
	}
	s.db, err = postgres.Open(s.databaseURL, postgres.Options{Name: "tillhook bench", StatementTimeout: time.Hour, MaxConns: 4})
	return s, err
}

// productSite has the schema and a restaurant whose secret is sealed.
func (b *bench) productSite(ctx context.Context, name string) (site, error) {
	s, err := b.newSite(ctx, name)
	if err != nil {
		return s, err
	}
	if _, err := s.db.MigrateUp(ctx); err != nil {
		return s, err
	}
	if _, err := s.db.CreatePartitions(ctx, 35, 35); err != nil {
		return s, err
	}
	ring, err := secret.ParseRing(b.encKey)
	if err != nil {
		return s, err
	}
	sealed, err := ring.Seal(b.secret, restaurantID)
	if err != nil {
		return s, err
	}
	if err := s.db.PutRestaurant(ctx, restaurantID, "Bench", "bench"); err != nil {
		return s, err
	}
	return s, s.db.PutSecret(ctx, restaurantID, restaurantID, false, sealed, secret.Fingerprint(b.secret))
}

func (b *bench) usualSite(ctx context.Context) (site, error) {
	s, err := b.newSite(ctx, roleUsual)
	if err != nil {
		return s, err
	}
	return s, reference.Migrate(ctx, s.databaseURL)
}

// workers is how many asynq servers have announced themselves.
func (s *services) workers(ctx context.Context, redisURL string) (n int64, err error) {
	err = s.onRedis(redisURL, func(c *redis.Client) (err error) {
		n, err = c.ZCard(ctx, "asynq:servers").Result()
		return err
	})
	return n, err
}

// tasks is how many wait for their turn or are being worked on. Those that wait
// for another attempt are left out: they come back.
func tasks(ctx context.Context, c *redis.Client) (n int64, err error) {
	var lengths []*redis.IntCmd
	_, err = c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, name := range []string{queue.Critical, queue.Default, queue.Low} {
			for _, list := range []string{"pending", "active"} {
				lengths = append(lengths, pipe.LLen(ctx, "asynq:{"+name+"}:"+list))
			}
		}
		return nil
	})
	for _, l := range lengths {
		n += l.Val()
	}
	return n, err
}

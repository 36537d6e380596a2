package devstack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
)

// Redis is a Redis server: one that StartRedis started, or the one that
// Config.RedisURL names, which can be used but not stopped from here. Its
// methods may be called from several goroutines.
type Redis struct {
	URL  string // of database 0, or Config.RedisURL
	From string // what was used, for people to read

	mu      sync.Mutex
	backend redisBackend // nil when the server is not ours
	closed  bool
}

// redisBackend is a Redis of our own.
type redisBackend interface {
	start(ctx context.Context) error // does nothing while it runs
	stop() error                     // does nothing while it is stopped
	close() error                    // stops it and removes what it left
}

// StartRedis makes a Redis ready, or returns an error and leaves nothing
// running: the one of Config.RedisURL, else a redis-server in PATH, else one
// inside this process. ctx bounds the start only.
func StartRedis(ctx context.Context, cfg Config) (*Redis, error) {
	if cfg.RedisURL != "" {
		return &Redis{URL: cfg.RedisURL, From: "REDIS_URL"}, nil
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		cfg.logf("starting miniredis in this process: %v", err)
		return startMiniRedis()
	}
	return startRedisServer(ctx, cfg, program)
}

// Real reports whether this is a Redis server and not miniredis, which is
// slower and knows fewer commands.
func (r *Redis) Real() bool {
	_, mini := r.backend.(*miniRedis)
	return !mini
}

// Start starts the server again after Stop or Kill, on the same port, and
// returns once it answers. A redis-server comes back empty unless it was started
// with RedisAppendOnly; miniredis keeps its data.
func (r *Redis) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backend == nil {
		return notOurs("starting", r.From)
	}
	if r.closed {
		return fmt.Errorf("starting %s: it was closed", r.From)
	}
	if err := r.backend.start(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", r.From, err)
	}
	return nil
}

// Stop ends the server and cuts off its clients.
func (r *Redis) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backend == nil {
		return notOurs("stopping", r.From)
	}
	if err := r.backend.stop(); err != nil {
		return fmt.Errorf("stopping %s: %w", r.From, err)
	}
	return nil
}

// Close stops the server, if it is ours, for good. Closing twice is fine.
func (r *Redis) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backend == nil || r.closed {
		return nil
	}
	r.closed = true
	if err := r.backend.close(); err != nil {
		return fmt.Errorf("closing %s: %w", r.From, err)
	}
	return nil
}

// startRedisServer runs the redis-server program.
func startRedisServer(ctx context.Context, cfg Config, program string) (*Redis, error) {
	model := redisServer{program: program, password: newPassword()}
	if cfg.RedisAppendOnly {
		model.settings = "appendonly yes\n"
	}
	return startRedisAs(ctx, cfg, model)
}

// startRedisAs runs the redis-server program as the model says, on a port and
// in a folder of its own.
func startRedisAs(ctx context.Context, cfg Config, model redisServer) (*Redis, error) {
	as, err := pickServerUser()
	if err != nil {
		return nil, err
	}
	base, err := cfg.base(as)
	if err != nil {
		return nil, err
	}
	version, err := redisVersion(ctx, model.program, as)
	if err != nil {
		return nil, err
	}
	r := &Redis{From: "redis-server " + version}
	cfg.logf("starting %s", r.From)
	model.as = as
	if model.folder, err = newFolder(base, "redis", as); err != nil {
		return nil, fmt.Errorf("making a folder for %s: %w", r.From, err)
	}
	server := &model
	r.backend = server
	err = onFreePort(ctx, func(ctx context.Context, port int) error {
		server.port = port
		return r.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.URL = server.url()
	return r, nil
}

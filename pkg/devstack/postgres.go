package devstack

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Postgres is a database server: one that StartPostgres started, or the one
// that Config.DatabaseURL names, which can be used but not stopped from here.
// Its methods may be called from several goroutines.
type Postgres struct {
	URL  string // of an empty database, or Config.DatabaseURL
	From string // what was used, for people to read

	mu      sync.Mutex
	cluster *cluster // nil when the server is not ours
	server  *child   // nil while stopped
	closed  bool
}

// StartPostgres makes a Postgres ready, or returns an error and leaves nothing
// running. ctx bounds the start only.
func StartPostgres(ctx context.Context, cfg Config) (*Postgres, error) {
	if cfg.DatabaseURL != "" {
		return &Postgres{URL: cfg.DatabaseURL, From: "DATABASE_URL"}, nil
	}
	as, err := pickServerUser()
	if err != nil {
		return nil, err
	}
	base, err := cfg.base(as)
	if err != nil {
		return nil, err
	}
	programs, err := findPrograms(ctx, cfg, base, as)
	if err != nil {
		return nil, err
	}
	cfg.logf("starting %s", programs)
	c, err := openCluster(ctx, cfg, base, programs, as)
	if err != nil {
		return nil, fmt.Errorf("preparing a cluster of %s: %w", programs, err)
	}
	p := &Postgres{From: programs.String(), cluster: c}
	err = onFreePort(ctx, func(ctx context.Context, port int) error {
		c.port = port
		return p.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.URL = c.url()
	return p, nil
}

// Start starts the server again after Stop or Kill, on the same port and data,
// and returns once it accepts connections. It does nothing while it runs.
func (p *Postgres) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cluster == nil:
		return notOurs("starting", p.From)
	case p.closed:
		return fmt.Errorf("starting %s: it was closed", p.From)
	case p.server != nil:
		return nil
	}
	server, err := p.cluster.start(ctx)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.From, err)
	}
	p.server = server
	return nil
}

// Stop ends the server by a fast shutdown: open transactions are rolled back
// and clients are cut off. It does nothing while the server is stopped.
func (p *Postgres) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster == nil {
		return notOurs("stopping", p.From)
	}
	return p.stop(keep)
}

// Kill ends the server like a crash (SIGKILL), and returns once all its
// processes are gone. Committed transactions survive; the next Start recovers
// them from the log.
func (p *Postgres) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster == nil {
		return notOurs("killing", p.From)
	}
	if p.server == nil {
		return fmt.Errorf("killing %s: it is not running", p.From)
	}
	server := p.server
	p.server = nil
	err := server.kill()
	_, endErr := server.end(keep)
	return errors.Join(err, endErr)
}

// Close stops the server, if it is ours, and removes what was not to be kept.
// Closing twice is fine.
func (p *Postgres) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster == nil || p.closed {
		return nil
	}
	p.closed = true
	return errors.Join(p.stop(""), p.cluster.close())
}

// stop ends the server if it runs. Without the word keep the supervisor removes
// a temporary cluster, so that it goes even if we are killed halfway.
func (p *Postgres) stop(word string) error {
	if p.server == nil {
		return nil
	}
	server := p.server
	p.server = nil
	status, err := server.end(word)
	if err == nil && status != 0 {
		err = fmt.Errorf("it ended with status %d", status)
	}
	if err != nil {
		return fmt.Errorf("stopping %s: %w; %s", p.From, err, p.cluster.folder.tail())
	}
	return nil
}

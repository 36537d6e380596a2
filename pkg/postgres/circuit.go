package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// While the server is away it is knocked at so often and no oftener, whatever
// the load: a server that comes up must not be kept from it by those who wait,
// and nobody waits for long once it is up. At random, since a whole fleet waits.
const (
	probeAfter  = 250 * time.Millisecond
	probeSpread = 750 * time.Millisecond
)

// ErrAway says that the server could not be reached a moment ago, and that it
// was not tried again for this statement.
var ErrAway = errors.New("the database is away")

// circuit makes a pool's connections. After one that failed it refuses at once
// whoever asks for another, and tries by itself until the server is back.
// Connections that are there go on working meanwhile, so that one refusal, as
// of a server that is full, is no outage.
type circuit struct {
	driver.Connector
	ctx     context.Context // ends with the pool
	stop    context.CancelFunc
	probing sync.WaitGroup

	mu   sync.Mutex
	down error // why the server is away, nil while it is there
}

func newCircuit(c driver.Connector) *circuit {
	ctx, stop := context.WithCancel(context.Background())
	return &circuit{Connector: c, ctx: ctx, stop: stop}
}

// Connect connects, or refuses while the server is away.
func (c *circuit) Connect(ctx context.Context) (driver.Conn, error) {
	c.mu.Lock()
	down := c.down
	c.mu.Unlock()
	if down != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, down)
	}
	conn, err := c.Connector.Connect(ctx)
	// A caller who has gone says nothing of the server; one who has waited in
	// vain does.
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		c.open(err)
	}
	return conn, err
}

// open begins to refuse, and to probe.
func (c *circuit) open(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down == nil && c.ctx.Err() == nil {
		c.down = why
		c.probing.Go(c.probe)
	}
}

// probe tries at once, for what failed may have been one connection only, and
// then again and again.
func (c *circuit) probe() {
	for {
		conn, err := c.Connector.Connect(c.ctx)
		c.mu.Lock()
		c.down = err
		c.mu.Unlock()
		if err == nil {
			_ = conn.Close() // it has told what it was made for
			return
		}
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(probeAfter + rand.N(probeSpread)):
		}
	}
}

// Close ends the probing; the pool calls it when it is closed.
func (c *circuit) Close() error {
	c.mu.Lock()
	c.stop() // under the lock: nobody begins to probe after this
	c.mu.Unlock()
	c.probing.Wait()
	return nil
}

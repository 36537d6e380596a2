package api

import (
	"context"
	"log/slog"
	"time"
)

const (
	closeInterval = 10 * time.Minute
	closeAtOnce   = 500 // orders
)

// Abandoned ends orders that nobody was led to a payment of.
type Abandoned interface {
	// EndAbandoned ends some of them, and answers how many, also with an error.
	EndAbandoned(ctx context.Context, most int) (int, error)
}

// closer ends abandoned orders now and then: without a session no event would,
// and they would look for ever as if they waited for one. Any number of
// processes may do it.
type closer struct {
	orders Abandoned
	log    *slog.Logger
}

// run goes on until ctx ends.
func (c closer) run(ctx context.Context) {
	tick := time.NewTicker(closeInterval)
	defer tick.Stop()
	for {
		ended, err := c.orders.EndAbandoned(ctx, closeAtOnce)
		if ended > 0 {
			c.log.Info("ended orders that nobody was led to a payment of", "orders", ended)
		}
		if err != nil && ctx.Err() == nil {
			c.log.Warn("abandoned orders are not ended, trying again", "interval", closeInterval, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

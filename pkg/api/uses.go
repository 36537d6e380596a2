package api

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// Whoever revokes a key wants to know whether it is still in use: to the
	// minute is enough.
	useResolution = time.Minute
	useInterval   = 5 * time.Second
)

// uses collects which keys are used, and stores it now and then.
type uses struct {
	keys Keys
	log  *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // what is stored, or waits to be
	due  map[string]time.Time
}

func newUses(keys Keys, log *slog.Logger) *uses {
	return &uses{keys: keys, log: log, last: map[string]time.Time{}, due: map[string]time.Time{}}
}

func (u *uses) note(id string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Sub(u.last[id]) >= useResolution {
		u.last[id], u.due[id] = at, at
	}
}

// run stores what is due until ctx ends, and then once more.
func (u *uses) run(ctx context.Context) {
	tick := time.NewTicker(useInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			u.flush(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			u.flush(ctx)
		}
	}
}

func (u *uses) flush(ctx context.Context) {
	u.mu.Lock()
	due := u.due
	u.due = map[string]time.Time{}
	u.mu.Unlock()
	if len(due) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(due))
	at := make([]int64, len(ids))
	for i, id := range ids {
		at[i] = due[id].UnixMicro()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := u.keys.PutShopKeyUses(ctx, ids, at); err != nil {
		u.log.Warn("the use of API keys is not recorded", "keys", len(ids), "error", err)
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, id := range ids { // their next use is
			delete(u.last, id)
		}
	}
}

package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tillhook/pkg/event"
)

// UseStore keeps when secrets were last used.
type UseStore interface {
	PutSecretUses(ctx context.Context, uses []event.SecretUse) error
}

const (
	// An operator who rotates wants to know whether the old secret is still in
	// use: to the minute is enough, and costs one row a minute and secret.
	useResolution = time.Minute
	useInterval   = 2 * time.Second
)

// uses collects which secrets verify deliveries, and stores it now and then.
type uses struct {
	store UseStore
	log   *slog.Logger

	mu   sync.RWMutex
	last map[useKey]time.Time // what is stored, or waits to be
	due  map[useKey]time.Time
}

type useKey struct{ restaurantID, fingerprint string }

func newUses(store UseStore, log *slog.Logger) *uses {
	return &uses{store: store, log: log, last: map[useKey]time.Time{}, due: map[useKey]time.Time{}}
}

// note is on the path of every delivery: all but one a minute only read.
func (u *uses) note(restaurantID, fingerprint string, at time.Time) {
	k := useKey{restaurantID, fingerprint}
	u.mu.RLock()
	last, known := u.last[k]
	u.mu.RUnlock()
	if known && at.Sub(last) < useResolution {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[k], u.due[k] = at, at
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
	u.due = map[useKey]time.Time{}
	for k, at := range u.last { // forget what is out of use
		if time.Since(at) > time.Hour {
			delete(u.last, k)
		}
	}
	u.mu.Unlock()
	if len(due) == 0 {
		return
	}
	all := make([]event.SecretUse, 0, len(due))
	for k, at := range due {
		all = append(all, event.SecretUse{RestaurantID: k.restaurantID, Fingerprint: k.fingerprint, At: at})
	}
	slices.SortFunc(all, func(a, b event.SecretUse) int {
		return cmp.Or(cmp.Compare(a.RestaurantID, b.RestaurantID), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := u.store.PutSecretUses(ctx, all); err != nil {
		u.log.Warn("the use of secrets is not recorded, trying again", "secrets", len(all), "error", err)
		u.mu.Lock()
		defer u.mu.Unlock()
		for k, at := range due {
			if _, newer := u.due[k]; !newer {
				u.due[k] = at
			}
		}
	}
}

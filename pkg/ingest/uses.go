package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"tillhook/pkg/batch"
	"tillhook/pkg/event"
)

// UseStore keeps when secrets were last used.
type UseStore interface {
	PutSecretUses(ctx context.Context, uses []event.SecretUse) error
}

// useInterval is short: an operator who rotates watches whether the old secret
// is still in use. A first use is stored at once: it decides which secret the next
// rotation keeps.
const useInterval = 2 * time.Second

// useKey is a secret since the current one was stored: what it verifies from then on
// is news, though it may have verified something within the same minute.
type useKey struct {
	restaurantID, fingerprint string
	setAt                     int64
}

// newUses collects which secrets verify deliveries.
func newUses(store UseStore, log *slog.Logger) *batch.Latest[useKey] {
	return batch.NewLatest(useInterval, func(ctx context.Context, due map[useKey]time.Time) error {
		latest := make(map[useKey]time.Time, len(due)) // one statement can't write a row twice
		for k, at := range due {
			if k.setAt = 0; at.After(latest[k]) {
				latest[k] = at
			}
		}
		all := make([]event.SecretUse, 0, len(latest))
		for k, at := range latest {
			all = append(all, event.SecretUse{RestaurantID: k.restaurantID, Fingerprint: k.fingerprint, Ago: time.Since(at)})
		}
		slices.SortFunc(all, func(a, b event.SecretUse) int {
			return cmp.Or(cmp.Compare(a.RestaurantID, b.RestaurantID), cmp.Compare(a.Fingerprint, b.Fingerprint))
		})
		err := store.PutSecretUses(ctx, all)
		if err != nil {
			log.Warn("the use of secrets is not recorded, trying again", "secrets", len(all), "error", err)
		}
		return err
	})
}

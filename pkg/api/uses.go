package api

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"tillhook/pkg/batch"
)

const useInterval = 5 * time.Second

// newUses collects which keys are used: whoever revokes one wants to know.
func newUses(keys Keys, log *slog.Logger) *batch.Latest[string] {
	return batch.NewLatest(useInterval, func(ctx context.Context, due map[string]time.Time) error {
		ids := slices.Sorted(maps.Keys(due))
		at := make([]int64, len(ids))
		for i, id := range ids {
			at[i] = due[id].UnixMicro()
		}
		err := keys.PutShopKeyUses(ctx, ids, at)
		if err != nil {
			log.Warn("the use of API keys is not recorded, trying again", "keys", len(ids), "error", err)
		}
		return err
	})
}

package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
)

// apiKeys finds the restaurants' API keys. It reads each time: a question to
// Stripe takes a hundred times as long, and a new key counts at once.
type apiKeys struct {
	db   *postgres.DB
	ring *secret.Ring
	log  *slog.Logger // nil seals nothing
}

// openAPI is Stripe, asked with the keys in the database.
func openAPI(cfg Config, db *postgres.DB, ring *secret.Ring, log *slog.Logger) *stripe.API {
	return stripe.NewAPI(stripe.APIConfig{BaseURL: cfg.StripeAPIBase, Rate: cfg.StripeAPIRate}, apiKeys{db, ring, log})
}

// APIKey opens a restaurant's API key. One that an operator's SQL left in the
// clear is used, and sealed.
func (k apiKeys) APIKey(ctx context.Context, restaurantID string) (stripe.Key, error) {
	row, err := k.db.APIKey(ctx, restaurantID)
	if err != nil {
		return stripe.Key{}, err
	}
	stored := string(row.Key)
	if row.ConfigID == "" || strings.TrimSpace(stored) == "" {
		return stripe.Key{}, event.Permanent(event.ErrNoAPIKey)
	}
	plain, err := k.ring.Open(stored, row.ConfigID)
	if err == nil {
		err = fitsMode(plain, row.Livemode)
	}
	if err != nil {
		return stripe.Key{}, event.Permanent(fmt.Errorf("%w: %w", event.ErrAPIKey, err))
	}
	if k.log != nil && k.ring.Plain(stored) {
		k.seal(ctx, row, plain, restaurantID)
	}
	return stripe.NewKey(plain, row.Account), nil
}

func (k apiKeys) seal(ctx context.Context, row postgres.APIKey, plain, restaurantID string) {
	sealed, err := k.ring.Seal(plain, row.ConfigID)
	if err == nil {
		by := postgres.Operator{Actor: "tillhook", Action: "seal the API key"}
		err = k.db.SealAPIKey(ctx, by, row.ConfigID, restaurantID, sealed, secret.Fingerprint(string(row.Key)))
	}
	if err != nil && !errors.Is(err, postgres.ErrChanged) && ctx.Err() == nil {
		k.log.Warn("an API key stays in the clear", "restaurant", restaurantID, "error", err)
	}
}

// apiKeyModes are the beginnings of API keys, and whether they are for live
// mode.
var apiKeyModes = map[string]bool{"sk_live_": true, "rk_live_": true, "sk_test_": false, "rk_test_": false}

// apiKeyPrefix is how an API key begins, "" if it is none.
func apiKeyPrefix(text string) string {
	for prefix := range apiKeyModes {
		if strings.HasPrefix(text, prefix) {
			return prefix
		}
	}
	return ""
}

// fitsMode refuses what is no API key, or one of the other mode: Stripe would
// have none of the restaurant's payments under it.
func fitsMode(plain string, livemode *bool) error {
	prefix := apiKeyPrefix(plain)
	if prefix == "" {
		return errors.New("what is stored as the API key is none")
	}
	if live := apiKeyModes[prefix]; livemode != nil && live != *livemode {
		return fmt.Errorf("the API key is of %s mode, the restaurant's configuration of %s mode", modeName(live), modeName(*livemode))
	}
	return nil
}

func modeName(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

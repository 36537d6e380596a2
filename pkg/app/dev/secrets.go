package dev

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tillhook/pkg/app"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// encryptionKey is PAYMENT_CONFIG_ENC_KEY, else one that is made once and kept
// beside the data, so that the secrets of an earlier run still open.
func encryptionKey(environ []string, home string) (string, error) {
	if keys := lookup(environ, "PAYMENT_CONFIG_ENC_KEY"); keys != "" {
		return keys, nil
	}
	path := filepath.Join(home, "enc.key")
	kept, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(kept)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the encryption key: %w", err)
	}
	key := randomHex(32)
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the encryption key: %w", err)
	}
	return key, nil
}

// openRestaurants makes the restaurants, or finds those of an earlier run with
// their secrets, so that an endpoint that was set up by hand goes on working.
func openRestaurants(ctx context.Context, cfg app.Config, db *postgres.DB, home string) ([]*restaurant, error) {
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return nil, fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err)
	}
	configs, err := db.Configs(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]event.Config, len(configs))
	for _, c := range configs {
		known[c.RestaurantID] = c
	}
	all := restaurants()
	for _, r := range all {
		c := known[r.id]
		if r.secret, err = ring.Open(c.Secret, c.ID); err != nil {
			if err := r.newSecret(ctx, db, ring); err != nil {
				return nil, err
			}
		}
		if err := r.openStripeKey(ctx, db, ring); err != nil {
			return nil, err
		}
		if err := r.openShopKey(ctx, db, filepath.Join(home, r.slug+".shopkey")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *restaurant) newSecret(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
	r.secret = "whsec_" + randomHex(16)
	configID := r.id + "_stripe"
	sealed, err := ring.Seal(r.secret, configID)
	if err != nil {
		return fmt.Errorf("sealing the secret of %s: %w", r.slug, err)
	}
	if err := db.PutRestaurant(ctx, r.id, r.name, r.slug); err != nil {
		return err
	}
	return db.PutSecret(ctx, configID, r.id, false, sealed, secret.Fingerprint(r.secret))
}

// openStripeKey makes the key with which Stripe's stand-in is asked, or finds
// the one that is stored: the stand-in takes any.
func (r *restaurant) openStripeKey(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
	k, err := db.APIKey(ctx, r.id)
	if err != nil {
		return err
	}
	if r.stripeKey, err = ring.Open(string(k.Key), k.ConfigID); err == nil {
		return nil
	}
	r.stripeKey = "sk_test_" + randomHex(16)
	sealed, err := ring.Seal(r.stripeKey, k.ConfigID)
	if err != nil {
		return fmt.Errorf("sealing the API key of %s: %w", r.slug, err)
	}
	by := postgres.Operator{Actor: "cmd/dev", Action: "store the API key of the stand-in"}
	return db.StoreAPIKey(ctx, by, k.ConfigID, r.id, sealed, secret.Fingerprint(string(k.Key)))
}

// openShopKey makes the key with which the shop creates orders. Only its hash
// is stored, so it is kept beside the data.
func (r *restaurant) openShopKey(ctx context.Context, db *postgres.DB, path string) error {
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the shop's key: %w", err)
	}
	r.shopKey = strings.TrimSpace(string(kept))
	if known, err := db.FindShopKey(ctx, secret.HashShopKey(r.shopKey)); err == nil && known.RestaurantID == r.id {
		return nil
	} else if err != nil && !errors.Is(err, event.ErrNoShopKey) {
		return err
	}
	key := secret.NewShopKey()
	by := postgres.Operator{Actor: "cmd/dev", Action: "create an API key"}
	made := event.ShopKey{ID: "key_" + randomHex(8), RestaurantID: r.id, Name: "cmd/dev's shop", Prefix: secret.ShopKeyPrefix(key)}
	if err := db.CreateShopKey(ctx, by, made, secret.HashShopKey(key.Reveal())); err != nil {
		return err
	}
	r.shopKey = key.Reveal()
	if err := os.WriteFile(path, []byte(r.shopKey+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the shop's key: %w", err)
	}
	return nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

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

// restaurant is one of the three that there are here.
type restaurant struct {
	id, name, slug, currency string
	secret                   string // of its endpoint, made at the first run
}

func restaurants() []*restaurant {
	return []*restaurant{
		{id: "dev_marco", name: "Trattoria da Marco", slug: "trattoria-da-marco", currency: "eur"},
		{id: "dev_kaito", name: "Sushi Kaito", slug: "sushi-kaito", currency: "jpy"},
		{id: "dev_lucie", name: "Brasserie Lucie", slug: "brasserie-lucie", currency: "usd"},
	}
}

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
func openRestaurants(ctx context.Context, cfg app.Config, db *postgres.DB) ([]*restaurant, error) {
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
		if r.secret, err = ring.Open(c.Secret, c.ID); err == nil {
			continue
		}
		r.secret = "whsec_" + randomHex(16)
		configID := r.id + "_stripe"
		sealed, err := ring.Seal(r.secret, configID)
		if err != nil {
			return nil, fmt.Errorf("sealing the secret of %s: %w", r.slug, err)
		}
		if err := db.PutRestaurant(ctx, r.id, r.name, r.slug); err != nil {
			return nil, err
		}
		if err := db.PutSecret(ctx, configID, r.id, false, sealed, secret.Fingerprint(r.secret)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

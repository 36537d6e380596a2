package dev

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tillhook/pkg/app"
)

// keepSettings writes a file that a shell can read, so that ops, psql and redis-cli
// find what runs here. It holds secrets, as the folder beside it does.
func keepSettings(cfg app.Config, home string) (path string, err error) {
	path = filepath.Join(home, "ops.env")
	var text strings.Builder
	for _, s := range []struct{ name, value string }{
		{"DATABASE_URL", cfg.DatabaseURL.Reveal()}, {"REDIS_URL", cfg.RedisURL.Reveal()},
		{"PAYMENT_CONFIG_ENC_KEY", cfg.EncKeys.Reveal()}, {"STRIPE_API_BASE", cfg.StripeAPIBase},
	} {
		fmt.Fprintf(&text, "export %s='%s'\n", s.name, strings.ReplaceAll(s.value, "'", `'\''`))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("writing the settings for ops: %w", err)
	}
	return path, nil
}

package dev

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tillhook/pkg/app"
)

// readSettings reads what keepSettings has written, as an environment.
func readSettings(home string) (environ []string, err error) {
	text, err := os.ReadFile(filepath.Join(home, "ops.env"))
	if err != nil {
		return nil, fmt.Errorf("reading the settings for ops: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		environ = append(environ, name+"="+strings.ReplaceAll(strings.Trim(value, "'"), `'\''`, "'"))
	}
	return environ, nil
}

// keepSettings writes a file that a shell can read, so that ops, psql and redis-cli
// find what runs here. It holds secrets, as the folder beside it does.
func keepSettings(cfg app.Config, home string) (path string, err error) {
	path = filepath.Join(home, "ops.env")
	var text strings.Builder
	for _, s := range []struct{ name, value string }{
		{"DATABASE_URL", cfg.DatabaseURL.Reveal()}, {"REDIS_URL", cfg.RedisURL.Reveal()},
		{"PAYMENT_CONFIG_ENC_KEY", cfg.EncKeys.Reveal()}, {"STRIPE_API_BASE", cfg.StripeAPIBase},
		{"INGEST_URL", cfg.IngestURL},
	} {
		fmt.Fprintf(&text, "export %s='%s'\n", s.name, strings.ReplaceAll(s.value, "'", `'\''`))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("writing the settings for ops: %w", err)
	}
	return path, nil
}

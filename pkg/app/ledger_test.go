package app

import (
	"testing"

	"tillhook/pkg/devstack"
	"tillhook/pkg/secret"
)

// A batch of the worker waits for an order that somebody holds no longer than it
// has to, and what it runs is planned once.
func TestTheLedgersConnections(t *testing.T) {
	t.Parallel()
	db, err := openLedger(Config{DatabaseURL: secret.Text(devstack.Database(t, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for setting, want := range map[string]string{
		"lock_timeout": "250ms", "plan_cache_mode": "force_generic_plan", "application_name": "tillhook worker ledger",
	} {
		var got string
		if err := db.GetContext(t.Context(), &got, "SELECT current_setting($1)", setting); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", setting, got, want, err)
		}
	}
}

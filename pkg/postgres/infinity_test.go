package postgres_test

import (
	"context"
	"testing"
	"time"

	"tillhook/pkg/postgres"
)

// An operator's SQL says that a secret never ends, or has ended long since. That
// is read for what it says, and keeps nobody from reading the other restaurants'.
func TestASecretThatNeverEndsHidesNobody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r'), ('s', 'S', 's')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('cr', 'r', 'whsec_1'), ('cs', 's', 'whsec_9')`)
	exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'whsec_2' WHERE id = 'cr'`)
	for _, c := range []struct {
		until    string
		accepted bool
	}{{"infinity", true}, {"-infinity", false}} {
		exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "previousWebhookSecret" = 'whsec_1', "previousWebhookSecretExpiresAt" = $1, "webhookSecretSetAt" = '-infinity'
			WHERE id = 'cr'`, c.until)
		configs, err := d.Configs(ctx)
		if err != nil || len(configs) != 2 {
			t.Fatalf("%s: %d configurations, %v", c.until, len(configs), err)
		}
		// The zero time would be that of a secret which is current.
		if at := configs[0].PreviousExpiresAt; at.IsZero() || at.After(time.Now()) != c.accepted {
			t.Errorf("%s is read as %s", c.until, at)
		}
		found, err := d.FindRestaurants(ctx, "r")
		if err != nil || len(found) != 1 || found[0].PreviousAccepted() != c.accepted {
			t.Fatalf("%s: %+v, %v", c.until, found, err)
		}
		// What was read is what is there, to whoever changes it.
		if err := d.RevokePrevious(ctx, postgres.Operator{Actor: "a", Action: "revoke"}, found[0]); err != nil {
			t.Errorf("%s: %v", c.until, err)
		}
	}
}

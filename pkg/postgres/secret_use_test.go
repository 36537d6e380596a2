package postgres_test

import (
	"testing"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/secret"
)

// A receiver who has not read yet that there is another secret stores what was signed
// with the one before as signed with the current one. That is no use of the other one.
func TestSecretTriggerGoesByTheSecretsThatWereUsed(t *testing.T) {
	t.Parallel()
	d, ctx := migrated(t), t.Context()
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_right')`)
	set := func(plain, previous string) {
		t.Helper()
		exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = $1`, plain)
		if got := get[string](t, d, `SELECT "previousWebhookSecret" FROM "RestaurantPaymentConfig"`); got != previous {
			t.Errorf("%s is accepted beside %s, want %s", got, plain, previous)
		}
	}
	used := func(plain string) {
		t.Helper()
		if err := d.PutSecretUses(ctx, []event.SecretUse{{RestaurantID: "r", Fingerprint: secret.Fingerprint(plain)}}); err != nil {
			t.Fatal(err)
		}
	}
	use := func() *time.Time {
		t.Helper()
		use, err := d.WebhookUse(ctx, "r")
		if err != nil {
			t.Fatal(err)
		}
		return use["r"].CurrentUsedAt
	}
	used("whsec_right")
	set("whsec_slip", "whsec_right")
	stale := record("1", "evt_1")
	stale.SignedWith = event.SignedCurrent // the right one, in truth
	if _, err := d.InsertEvents(ctx, []event.Record{stale}); err != nil {
		t.Fatal(err)
	}
	if at := use(); at != nil {
		t.Errorf("the slip was used at %s", at)
	}
	set("whsec_next", "whsec_right")
	used("whsec_next")
	if use() == nil {
		t.Error("the next one has verified a delivery, and nobody knows")
	}
	set("whsec_right", "whsec_next")
	set("whsec_last", "whsec_next") // what the right one verified before it was stored again is no use of it
}

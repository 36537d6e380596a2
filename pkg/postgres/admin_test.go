package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/postgres"
)

var anna = postgres.Operator{Actor: "anna@till", Action: "secrets set"}

func theOne(t *testing.T, d *postgres.DB, name string) postgres.Restaurant {
	t.Helper()
	found, err := d.FindRestaurants(context.Background(), name)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d restaurants, %v", len(found), err)
	}
	return found[0]
}

func change(r postgres.Restaurant, sealed, fingerprint string) postgres.SecretChange {
	return postgres.SecretChange{ConfigID: r.ConfigID, RestaurantID: r.ID, Sealed: sealed, Fingerprint: fingerprint,
		WasFingerprint: r.Fingerprint, WasSetAt: r.SetAt}
}

// What an operator saw, and decided on, may be history when they commit.
func TestAdminWritesOnlyWhatTheOperatorSaw(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'slug')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_a')`)
	seen := theOne(t, d, "slug")

	exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'v1:a'`) // sealed: the same secret
	kept, err := d.StoreSecret(ctx, anna, change(seen, "v1:b", "b"))
	if err != nil || kept.Previous != "v1:a" || kept.ExpiresAt.Sub(kept.ReadAt) != 72*time.Hour {
		t.Fatalf("after sealing: %+v, %v", kept, err)
	}
	if _, err := d.StoreSecret(ctx, anna, change(seen, "v1:c", "c")); !errors.Is(err, postgres.ErrChanged) {
		t.Errorf("over another's secret: %v", err)
	}
	seen = theOne(t, d, "r")
	hour := time.Hour
	other := change(seen, "v1:c", "c")
	other.Overlap = &hour
	if kept, err := d.StoreSecret(ctx, anna, other); err != nil || kept.ExpiresAt.Sub(kept.ReadAt) != time.Hour {
		t.Errorf("an overlap of one's own: %+v, %v", kept, err)
	}
	if err := d.RevokePrevious(ctx, anna, seen); !errors.Is(err, postgres.ErrChanged) {
		t.Errorf("revoking another's previous secret: %v", err)
	}
	if err := d.RevokePrevious(ctx, anna, theOne(t, d, "r")); err != nil {
		t.Error(err)
	}
	made := postgres.SecretChange{ConfigID: "c2", RestaurantID: "r", NewConfig: true, Sealed: "v1:x", Fingerprint: "x"}
	if _, err := d.StoreSecret(ctx, anna, made); !errors.Is(err, postgres.ErrChanged) {
		t.Errorf("a second configuration: %v", err)
	}
	if got := get[string](t, d, `SELECT "webhookSecret" || coalesce("previousWebhookSecret", '') FROM "RestaurantPaymentConfig"`); got != "v1:c" {
		t.Errorf("stored: %s", got)
	}
}

// Between the look and the row's lock someone stores another secret.
func TestResealKeepsTheSecretOfAnother(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'slug')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_a')`)
	all, err := d.ConfigSecrets(ctx)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'whsec_b'`)
	err = d.Reseal(ctx, anna, "c", "key", func(s postgres.ConfigSecrets) (postgres.ConfigSecrets, []string) {
		if s.Secret != "whsec_b" {
			t.Errorf("the row's lock shows %s", string(s.Secret))
		}
		s.Secret = "v1:b"
		return s, []string{"webhookSecret"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := get[string](t, d, `SELECT "webhookSecret" || ' ' || "previousWebhookSecret" FROM "RestaurantPaymentConfig"`); got != "v1:b whsec_a" {
		t.Errorf("stored: %s", got)
	}
	if err := d.Reseal(ctx, anna, "gone", "key", nil); err != nil {
		t.Errorf("a configuration that is gone: %v", err)
	}
}

// The server quotes the whole row when a constraint fails.
func TestAdminErrorsTellNoSecret(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'slug')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_hidden')`)
	exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = 'whsec_hidden2'`)
	exec(t, d, `ALTER TABLE "RestaurantPaymentConfig" ADD CHECK (id <> 'c') NOT VALID`)
	r := theOne(t, d, "r")
	_, stored := d.StoreSecret(ctx, anna, change(r, "v1:hidden", "x"))
	for what, err := range map[string]error{
		"storing": stored, "revoking": d.RevokePrevious(ctx, anna, r),
		"sealing": d.Reseal(ctx, anna, "c", "key", func(s postgres.ConfigSecrets) (postgres.ConfigSecrets, []string) {
			s.APIKey = "v1:hidden"
			return s, []string{"secretKey"}
		}),
	} {
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hidden") || !strings.Contains(err.Error(), "check_violation") {
			t.Errorf("%s: %v", what, err)
		}
	}
	text, err := json.Marshal(r)
	if printed := fmt.Sprintf("%v %+v %#v %q %x", r, r, r, r.Secret, r.Secret) + string(text); err != nil || strings.Contains(printed, "hidden") ||
		strings.Contains(printed, fmt.Sprintf("%x", "hidden")) {
		t.Errorf("%v %s", err, printed)
	}
}

func TestWebhookUse(t *testing.T) {
	t.Parallel()
	ctx, d := context.Background(), migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) SELECT 'r' || n, 'R', 's' || n FROM generate_series(1, 20) n`)
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "signedWith", "dedupeKey")
		SELECT 'e' || n, 'x', 'COMPLETED', 'r' || n % 20 + 1, '', now(), now() - n * interval '1 second', 'current', 'e' || n FROM generate_series(1, 200) n`)
	use, err := d.WebhookUse(ctx, "")
	if err != nil || len(use) != 20 || use["r1"].AcceptedAt == nil || use["r1"].SignedWith != "current" || use["r1"].RefusedAt != nil {
		t.Fatalf("%+v, %v", use, err)
	}
	if one, err := d.WebhookUse(ctx, "r7"); err != nil || len(one) != 1 || !one["r7"].AcceptedAt.Equal(*use["r7"].AcceptedAt) {
		t.Errorf("%+v, %v", one, err)
	}
}

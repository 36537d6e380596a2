package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/secret"
)

// A secret that is stored once more, by a slip, has verified nothing since, whatever
// it has verified before: the one with which Stripe signs stays accepted.
func TestOpsRotationTellsWhichSecretStays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, second := d.secret("first"), d.secret("second")
	d.sealed("r", keyA, first, 5)
	d.delivered("r", "current", "0 s")
	d.works(second, "secrets", "rotate", "r", "--stdin", "--commit")
	d.delivered("r", "current", "0 s")
	d.works(first, "secrets", "set", "r", "--stdin", "--commit")
	d.delivered("r", "previous", "0 s")
	const third = `
Stored the signing secret of r:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint b9c78908298ab14b
  sealed      under key 7c06baef
  replaces    fingerprint 643b78bb99949e65, set N s ago; it has verified nothing
              and is dropped
  overlap     the one before it, fingerprint 9acb9b84c4cd70df, stays accepted
              for 72 h, until TIME
  by          anna@HOST
`
	d.shows(0, third, d.secret("third"), "secrets", "rotate", "r", "--stdin", "--commit")
	kept := func() string {
		return d.scalar(`SELECT "previousWebhookSecretFingerprint" FROM "RestaurantPaymentConfig"`)
	}
	if got := kept(); got != secret.Fingerprint(second) {
		t.Errorf("the database keeps %s", got)
	}
	// Just before it is replaced, the third one verifies its first delivery.
	d.exec(`CREATE FUNCTION used() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO "SecretUse" VALUES (OLD."restaurantId", OLD."webhookSecretFingerprint", now()) ON CONFLICT DO NOTHING;
		RETURN NEW;
	END $$`)
	d.exec(`CREATE TRIGGER a_moment_before BEFORE UPDATE ON "RestaurantPaymentConfig" FOR EACH ROW EXECUTE FUNCTION used()`)
	d.shows(0, `
Stored the signing secret of r:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint b4579bcfe4ed13d6
  sealed      under key 7c06baef
  replaces    fingerprint b9c78908298ab14b, set N s ago
  overlap     the old one stays accepted for 72 h, until TIME
  by          anna@HOST
`, d.secret("fourth"), "secrets", "rotate", "r", "--stdin", "--commit")
	if got := kept(); got != "b9c78908298ab14b" {
		t.Errorf("the database keeps %s", got)
	}
}

// A rotation that names the secret which is there already is none, unless it
// says how long the one before is still accepted.
func TestOpsChangesTheOverlap(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, second := d.secret("first"), d.secret("second")
	d.sealed("r", keyA, first, 100)
	again := []string{"secrets", "rotate", "r", "--stdin", "--overlap"}
	const none = "ops: this is the secret that r has now (fingerprint 643b78bb99949e65): a\n     rotation wants the one of a new endpoint\n"
	d.shows(1, none, first, append(again, "1h", "--commit")...) // there is none before it
	d.works(second, "secrets", "rotate", "r", "--stdin", "--commit")
	d.works(second, "secrets", "set", "r", "--stdin", "--commit")

	d.shows(0, `
r has this secret already. Would change how long the one before is accepted:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint 9acb9b84c4cd70df
  sealed      under key 7c06baef
  overlap     the old one stays accepted for 60 min, until TIME
  by          anna@HOST

Nothing was changed. To do it, add --commit.
`, second, append(again, "1h")...)
	rest := func() string {
		return d.scalar(`SELECT round(extract(epoch FROM "previousWebhookSecretExpiresAt" - now()) / 3600)::text FROM "RestaurantPaymentConfig" WHERE id = 'c-r'`)
	}
	if got := rest(); got != "72" {
		t.Errorf("without --commit, the overlap is %s h", got)
	}
	d.works(second, append(again, "1h", "--commit")...)
	if got := rest(); got != "1" {
		t.Errorf("the overlap is %s h", got)
	}
	d.shows(0, `
r has this secret already. Changed how long the one before is accepted:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint 9acb9b84c4cd70df
  sealed      under key 7c06baef
  overlap     none: the old one is refused at once
  by          anna@HOST
`, second, append(again, "0", "--commit")...)
	want := `anna@HOST | secrets rotate | c-r | webhookSecret: the same one, sealed anew
anna@HOST | secrets rotate | c-r | previousWebhookSecretExpiresAt`
	if diff := cmp.Diff(want, lastLines(d.audit(), 2)); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
	d.shows(1, "ops: this is the secret that r has now (fingerprint 9acb9b84c4cd70df): a\n     rotation wants the one of a new endpoint\n",
		second, append(again, "1h", "--commit")...)
}

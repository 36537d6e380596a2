package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A rotation that names the secret which is there already is none, unless it
// says how long the one before is still accepted.
func TestOpsChangesTheOverlap(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, second := d.secret("first"), d.secret("second")
	d.sealed("r", keyA, first, 100)
	again := []string{"secrets", "rotate", "r", "--stdin", "--overlap"}
	const none = "ops: this is the secret that r has now (fingerprint 643b78bb99949e65):\na rotation wants the one of a new endpoint\n"
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
	d.shows(1, "ops: this is the secret that r has now (fingerprint 9acb9b84c4cd70df):\na rotation wants the one of a new endpoint\n",
		second, append(again, "1h", "--commit")...)
}

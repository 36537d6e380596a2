package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpsSetsTheFirstSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.works("", "restaurants", "create", "da-marco", "--name", "X", "--id", "marco", "--commit")
	first := d.secret("first")
	const facts = `
  restaurant  marco
  secret      whsec_…, 38 characters, fingerprint 643b78bb99949e65
  sealed      under key 7c06baef
  by          bert
`
	d.shows(0, "Would store the signing secret of da-marco:"+facts+"\nNothing was changed. To do it, add --commit.\n",
		first+"\n", "secrets", "set", "da-marco", "--stdin", "--as", "bert")
	if got := d.scalar(`SELECT "webhookSecret" FROM "RestaurantPaymentConfig"`); got != "" {
		t.Errorf("without --commit it was stored: %s", got)
	}
	d.shows(0, "Stored the signing secret of da-marco:"+facts, " "+first+"\r\n", "secrets", "set", "marco", "--stdin", "--as", "bert", "--commit")
	if got := d.scalar(`SELECT "webhookSecret" FROM "RestaurantPaymentConfig"`); !strings.HasPrefix(got, "v1:") {
		t.Errorf("stored as %s", got)
	}
	d.shows(0, `
da-marco has this secret already, sealed under the first key:
  secret  whsec_…, 38 characters, fingerprint 643b78bb99949e65
`, first, "secrets", "set", "da-marco", "--stdin", "--commit")
	if got, want := lastLines(d.audit(), 1), "bert | secrets set | cfg_ID | webhookSecret"; got != want {
		t.Errorf("audit: %s, want %s", got, want)
	}
	d.shows(0, `
da-marco (marco), mode test
  secret    sealed, 38 characters, fingerprint 643b78bb99949e65
  set       N s ago, TIME
  probe     signed with it, and verified
  accepted  never
  refused   never
  clock     CLOCK

No faults.
`, "", "secrets", "check", "da-marco")
}

// A restaurant that the ordering application has made has no configuration.
func TestOpsSetMakesTheConfiguration(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ('a', 'A', 'aa'), ('b', 'B', 'bb')`)
	d.shows(0, `
Stored the signing secret of aa:
  restaurant     a
  configuration  a new one, mode live
  secret         whsec_…, 38 characters, fingerprint 643b78bb99949e65
  sealed         under key 7c06baef
  by             anna@HOST
`, d.secret("first"), "secrets", "set", "a", "--stdin", "--live", "--commit")
	d.works(d.secret("second"), "secrets", "set", "b", "--stdin", "--commit")
	if got := d.scalar(`SELECT string_agg("restaurantId" || coalesce(livemode::text, ' unset'), ', ' ORDER BY "restaurantId") FROM "RestaurantPaymentConfig"`); got != "atrue, b unset" {
		t.Errorf("modes: %s", got)
	}
	d.shows(1, "ops: bb has a configuration already (mode: unset); --live only says how to make\n     one\n",
		d.secret("third"), "secrets", "set", "b", "--stdin", "--live", "--commit")
	d.works("", "secrets", "check")
}

func TestOpsRefusesWhatIsNoSigningSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("r", "")
	const where = "\nIt is in Stripe's Dashboard: Developers > Webhooks > the endpoint > Reveal"
	for input, want := range map[string]string{
		"":                           "no secret was entered",
		" \n":                        "no secret was entered",
		"hunter2hunter2hunter2":      "this is no signing secret: it does not begin with whsec_." + where,
		"sk_live_51hunter2hunter2":   "this is a secret API key (sk_…), not a signing secret (whsec_…)." + where,
		"rk_live_51hunter2hunter2":   "this is a restricted API key (rk_…), not a signing secret (whsec_…)." + where,
		"pk_live_51hunter2hunter2":   "this is a publishable API key (pk_…), not a signing secret (whsec_…)." + where,
		"we_1hunter2hunter2":         "this is the id of an endpoint (we_…), not a signing secret (whsec_…)." + where,
		"whsec_hunter2":              "the secret has 13 characters, not 20 to 255: was it copied whole?",
		"whsec_hunter2 hunter2xxxxx": "the secret has a blank, a line break or a letter with an accent in it: more was copied than the secret, or it was cut in two",
		"whsec_hunter2\nwhsec_hunter2": "the secret has a blank, a line break or a letter with an accent in it: " +
			"more was copied than the secret, or it was cut in two",
		"whsec_hünter2hunter2xxxxx":                 "the secret has a blank, a line break or a letter with an accent in it: more was copied than the secret, or it was cut in two",
		"whsec_hunter2" + strings.Repeat("x", 2000): "the secret has 1020 characters, not 20 to 255: was it copied whole?",
	} {
		d.shows(2, told(errors.New(want)), input, "secrets", "set", "r", "--stdin", "--commit")
	}
	d.secrets = append(d.secrets, "hunter2", "hünter2")
	good := d.secret("good")
	d.shows(2, "ops: there is no terminal to ask for the signing secret of r on; hand it over\n     with --stdin\n", good, "secrets", "set", "r", "--commit")
	d.shows(1, `ops: there is no restaurant "nobody"; see: ops restaurants list`+"\n", good, "secrets", "set", "nobody", "--stdin", "--commit")
	for _, argument := range []string{good, "--secret=" + good, "sk_live_hunter2"} {
		d.shows(2, `
ops: an argument holds a secret: it is in the shell's history now, and every
     process here could read it. Make a new one in Stripe's Dashboard, and give
     it at the prompt or with --stdin
`, "", "secrets", "set", "r", argument)
	}
	d.keys = ""
	d.shows(1, `
ops: PAYMENT_CONFIG_ENC_KEY: missing; no secret is stored in the clear.
     Use the services' own key, or make the first one with: openssl rand -hex 32
`, good, "secrets", "set", "r", "--stdin", "--commit")
	d.keys = "12345"
	d.shows(1, "ops: PAYMENT_CONFIG_ENC_KEY: key 1 is not 64 hex digits (it has 5 characters)\n", good, "secrets", "set", "r", "--stdin", "--commit")
	if got := d.scalar(`SELECT "webhookSecret" FROM "RestaurantPaymentConfig"`); got != "" {
		t.Errorf("stored: %s", got)
	}
}

func TestOpsRotates(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("none", "")
	d.shows(1, "ops: none has no secret to rotate; store its first with: ops secrets set none\n", d.secret("x"), "secrets", "rotate", "none", "--stdin")
	first, second, third, fourth := d.secret("first"), d.secret("second"), d.secret("third"), d.secret("fourth")
	d.sealed("r", keyA, first, 100)
	expiry := func() string {
		return d.scalar(`SELECT round(extract(epoch FROM "previousWebhookSecretExpiresAt" - now()) / 3600)::text FROM "RestaurantPaymentConfig" WHERE id = 'c-r'`)
	}
	d.shows(1, "ops: this is the secret that r has now (fingerprint 643b78bb99949e65): a\n     rotation wants the one of a new endpoint\n",
		first, "secrets", "rotate", "r", "--stdin", "--commit")
	const facts = `
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint 9acb9b84c4cd70df
  sealed      under key 7c06baef
  replaces    fingerprint 643b78bb99949e65, set 100 d ago
  overlap     the old one stays accepted for 72 h, until TIME
  by          anna@HOST
`
	d.shows(0, "Would store the signing secret of r:"+facts+"\nNothing was changed. To do it, add --commit.\n", second, "secrets", "rotate", "r", "--stdin")
	if got := expiry(); got != "" {
		t.Errorf("without --commit, the overlap is %s h", got)
	}
	d.shows(0, "Stored the signing secret of r:"+facts, second, "secrets", "rotate", "r", "--stdin", "--commit")
	if got := expiry(); got != "72" {
		t.Errorf("the overlap is %s h", got)
	}
	d.delivered("r", "current", "0 s")
	d.delivered("r", "previous", "0 s")
	d.shows(0, `
Stored the signing secret of r:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint b9c78908298ab14b
  sealed      under key 7c06baef
  replaces    fingerprint 9acb9b84c4cd70df, set N s ago
  overlap     the old one stays accepted for 60 min, until TIME
  by          anna@HOST
! The last rotation is not over: the secret before this one, accepted for
  another 72 h and still in use N s ago, is refused at once.
`, third, "secrets", "rotate", "r", "--stdin", "--overlap", "1h", "--commit")
	if got := expiry(); got != "1" {
		t.Errorf("the overlap is %s h", got)
	}
	d.delivered("r", "current", "-1 s") // after the rotation, whose time is now
	d.works(fourth, "secrets", "rotate", "r", "--stdin", "--overlap", "0", "--commit")
	if got := d.scalar(`SELECT ("previousWebhookSecretExpiresAt" <= now())::text FROM "RestaurantPaymentConfig" WHERE id = 'c-r'`); got != "true" {
		t.Errorf("with --overlap 0 the old secret is accepted still")
	}
	want := `anna@HOST | secrets rotate | c-r | previousWebhookSecret, previousWebhookSecretExpiresAt, webhookSecret
anna@HOST | secrets rotate | c-r | previousWebhookSecretExpiresAt`
	if diff := cmp.Diff(want, lastLines(d.audit(), 2)); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
}

// The one who types a wrong secret, and then the right one, must not lose that
// with which Stripe signs.
func TestOpsForgivesASlip(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.secret("first")
	d.sealed("r", keyA, first, 5)
	d.delivered("r", "current", "1 h")
	d.works(d.secret("slip"), "secrets", "set", "r", "--stdin", "--commit")
	d.shows(0, `
Stored the signing secret of r:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint 9acb9b84c4cd70df
  sealed      under key 7c06baef
  replaces    fingerprint 0181a4200839a65b, set N s ago; it has verified nothing
              and is dropped
  overlap     the one before it, fingerprint 643b78bb99949e65, stays accepted
              for 60 min, until TIME
  by          anna@HOST
`, d.secret("second"), "secrets", "rotate", "r", "--overlap", "1h", "--stdin", "--commit")
	out := d.works(first, "secrets", "set", "r", "--stdin")
	if !strings.Contains(out, "! This is the previous secret again.\n") {
		t.Errorf("nothing says that this is the old secret:\n%s", out)
	}
}

func TestOpsRevokesThePreviousSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 100)
	d.shows(1, "ops: r has no previous secret\n", "", "secrets", "revoke-previous", "r", "--commit")
	d.works(d.secret("second"), "secrets", "rotate", "r", "--stdin", "--commit")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "webhookSecretSetAt" = now() - interval '5 hours'`)
	revoke := []string{"secrets", "revoke-previous", "r"}
	const would, nothing = "Would forget the previous secret of r:\n  restaurant  r\n  accepted    for another 72 h, until TIME\n",
		"\nNothing was changed. To do it, add --commit.\n"

	d.shows(0, would+`
  use         never used since the rotation; the new one has verified nothing
              yet: keep it
  by          anna@HOST
! The current secret has verified nothing yet. If it is not the one that Stripe
  signs with, every delivery is refused.
`[1:]+nothing, "", revoke...)
	d.delivered("r", "current", "2 h")
	d.shows(0, would+"  use         never used since the rotation: safe to revoke\n  by          anna@HOST\n"+nothing, "", revoke...)
	d.delivered("r", "previous", "6 h") // before the rotation: another secret's
	d.delivered("r", "previous", "3 h 1 min")
	d.shows(0, would+"  use         last used 3 h ago: safe to revoke\n  by          anna@HOST\n"+nothing, "", revoke...)
	d.delivered("r", "previous", "4 min 1 s")
	d.shows(0, would+`  use         still in use 4 min ago: keep it
  by          anna@HOST
! Its endpoint seems to deliver still. Delete it in Stripe's Dashboard, or its
  deliveries are refused.
`+nothing, "", revoke...)
	if got := d.scalar(`SELECT count("previousWebhookSecret")::text FROM "RestaurantPaymentConfig"`); got != "1" {
		t.Error("without --commit it is gone")
	}
	d.shows(0, `
Forgot the previous secret of r:
  restaurant    r
  was accepted  for another 72 h, until TIME
  use           still in use 4 min ago
  by            anna@HOST
! Its endpoint seems to deliver still. Delete it in Stripe's Dashboard, or its
  deliveries are refused.
`, "", append(revoke, "--commit")...)
	if got := d.scalar(`SELECT count("previousWebhookSecret")::text FROM "RestaurantPaymentConfig"`); got != "0" {
		t.Error("it is still there")
	}
	if got, want := lastLines(d.audit(), 1), "anna@HOST | secrets revoke-previous | c-r | previousWebhookSecret, previousWebhookSecretExpiresAt"; got != want {
		t.Errorf("audit: %s, want %s", got, want)
	}
}

func TestOpsSecretsDue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("new", keyA, d.secret("a"), 89)
	d.shows(0, "No secret is 90 days old.\n", "", "secrets", "due")
	d.sealed("old", keyA, d.secret("b"), 90)
	d.sealed("oldest", keyA, d.secret("c"), 400)
	d.sealed("off", keyA, d.secret("d"), 500)
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "isActive" = false WHERE id = 'c-off'`)
	d.shows(1, `
RESTAURANT  MODE  DAYS  SET AT                ID
oldest      live   400  TIME  oldest
old         live    90  TIME  old

Rotate each with: ops secrets rotate RESTAURANT --commit
ops: 2 secrets due for a rotation
`, "", "secrets", "due")
	var due []struct {
		RestaurantID, Slug, Mode, SecretSetAt string
		AgeDays                               int
	}
	if d.json(&due, "", "secrets", "due", "--days", "89"); len(due) != 3 || due[2].AgeDays != 89 {
		t.Errorf("due: %+v", due)
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/secret"
)

// From key A to "B,A", and then B alone, with nothing lost on the way.
func TestOpsReseal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	plain, old, key := d.secret("plain"), d.secret("old"), "sk_live_thekeyofplain"
	d.secrets = append(d.secrets, key)
	d.sealed("sealed", keyA, d.secret("sealed"), 1)
	d.restaurant("plain", plain)
	d.restaurant("none", "")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "previousWebhookSecret" = $1, "previousWebhookSecretExpiresAt" = now() + interval '1 h',
		"secretKey" = $2 WHERE id = 'c-plain'`, d.seal(keyA, old, "c-plain"), key)
	const rotations = `SELECT string_agg(concat_ws(' ', "webhookSecretSetAt", "webhookSecretFingerprint", "previousWebhookSecretExpiresAt"), ';' ORDER BY id)
		FROM "RestaurantPaymentConfig"`
	before := d.scalar(rotations)
	audited := strings.Count(d.audit(), "\n")

	d.keys = keyB + "," + keyA
	const values = `
  webhookSecret          2
  previousWebhookSecret  1
  secretKey              1
`
	d.shows(0, "Would seal 4 values in 2 of 3 configurations under key 9dd0034e:"+values+"\nNothing was changed. To do it, add --commit.\n",
		"", "secrets", "reseal")
	if got := d.scalar(`SELECT "secretKey" FROM "RestaurantPaymentConfig" WHERE id = 'c-plain'`); got != key {
		t.Error("without --commit something was sealed")
	}
	d.shows(0, "Sealed 4 values in 2 of 3 configurations under key 9dd0034e:"+values, "", "secrets", "reseal", "--commit")
	d.shows(0, "Nothing to seal: 3 configurations, key 9dd0034e.\n", "", "secrets", "reseal", "--commit")

	if after := d.scalar(rotations); after != before {
		t.Errorf("sealing was taken for a rotation:\n%s\n%s", before, after)
	}
	d.opens(keyB, "c-plain", plain, old, key)
	d.keys = keyB
	d.works("", "secrets", "check", "plain")
	var lines []string
	for _, line := range strings.Split(d.audit(), "\n")[audited+1:] {
		if strings.Contains(line, "sealed under") {
			lines = append(lines, line)
		} else if !strings.HasPrefix(line, "anna@HOST | secrets reseal | c-plain") {
			t.Errorf("audit: %s", line)
		}
	}
	if diff := cmp.Diff([]string{
		"anna@HOST | secrets reseal | c-plain | webhookSecret, previousWebhookSecret, secretKey: sealed under key 9dd0034e",
		"anna@HOST | secrets reseal | c-sealed | webhookSecret: sealed under key 9dd0034e",
	}, lines); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
}

// opens wants the secrets of a configuration to open with these keys.
func (d *desk) opens(keys, configID string, want ...string) {
	d.Helper()
	ring, err := secret.ParseRing(keys)
	if err != nil {
		d.Fatal(err)
	}
	var got []string
	for _, column := range []string{"webhookSecret", "previousWebhookSecret", "secretKey"} {
		opened, err := ring.Open(d.scalar(fmt.Sprintf(`SELECT %q FROM "RestaurantPaymentConfig" WHERE id = $1`, column), configID), configID)
		if err != nil {
			d.Errorf("%s: %v", column, err)
		}
		got = append(got, opened)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOpsResealLeavesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("a-lost", keyA, d.secret("lost"), 1)
	d.restaurant("b-plain", d.secret("plain"))
	d.restaurant("c-odd", "")
	d.secrets = append(d.secrets, "hunter2")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "secretKey" = 'hunter2' WHERE id = 'c-c-odd'`)
	lost := d.scalar(`SELECT "webhookSecret" FROM "RestaurantPaymentConfig" WHERE id = 'c-a-lost'`)
	d.keys = keyB
	d.shows(1, `
Sealed 1 value in 1 of 3 configurations under key 9dd0034e:
  webhookSecret          1
  previousWebhookSecret  0
  secretKey              0

Not sealed, since it can't be opened (2 values):
  configuration c-a-lost (a-lost), webhookSecret: no key opens the stored
  secret: tried keys 9dd0034e
  configuration c-c-odd (c-odd), secretKey: the stored secret has an unknown
  format
ops: 2 values can't be sealed anew
`, "", "secrets", "reseal", "--commit")
	if got := d.scalar(`SELECT "webhookSecret" FROM "RestaurantPaymentConfig" WHERE id = 'c-a-lost'`); got != lost {
		t.Error("what no key opens was changed")
	}
	var answer struct {
		Action, Actor, Key      string
		Committed               bool
		Configurations, Changed int
		Values                  map[string]int
		Problems                []struct{ ConfigurationID, RestaurantID, Slug, Column, Problem string }
	}
	if d.json(&answer, "", "secrets", "reseal"); len(answer.Problems) != 2 || answer.Changed != 0 || answer.Key != "9dd0034e" {
		t.Errorf("%+v", answer)
	}
}

// Who has lost the key enters the secrets again: the same ones, no rotation.
func TestOpsSealsTheSameSecretAnewWithoutTheOldKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.secret("first")
	d.sealed("r", keyA, first, 10)
	d.keys = keyB
	d.shows(0, `
Sealed the same secret of r anew:
  restaurant  r
  secret      whsec_…, 38 characters, fingerprint 643b78bb99949e65
  sealed      under key 9dd0034e
  by          anna@HOST
! No key here opens the secret that is stored now. If the services have other
  keys, they won't open the new one.
`, first, "secrets", "set", "r", "--stdin", "--commit")
	if got := d.scalar(`SELECT ("previousWebhookSecret" IS NULL AND "webhookSecretSetAt" < now() - interval '9 days')::text FROM "RestaurantPaymentConfig"`); got != "true" {
		t.Error("it was taken for a rotation")
	}
	if got, want := lastLines(d.audit(), 1), "anna@HOST | secrets set | c-r | webhookSecret: the same one, sealed anew"; got != want {
		t.Errorf("audit: %s, want %s", got, want)
	}
	d.works("", "secrets", "check", "r")
}

func TestOpsResealShowsThatItIsAlive(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) SELECT n::text, n::text, n::text FROM generate_series(1, 501) n`)
	d.exec(`INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") SELECT 'c-' || id, id, 'whsec_' || repeat(id, 10) FROM "Restaurant"`)
	out := d.works("", "secrets", "reseal", "--commit")
	if !strings.HasSuffix(out, "250 of 501 configurations looked at\n500 of 501 configurations looked at\n") {
		t.Errorf("%s", out)
	}
	if got := d.scalar(`SELECT count(*)::text FROM "RestaurantPaymentConfig" WHERE "webhookSecret" LIKE 'v1:%'`); got != "501" {
		t.Errorf("%s are sealed", got)
	}
}

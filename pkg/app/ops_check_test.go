package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sick is a desk with a restaurant of every kind of trouble.
func sick(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.keys = keyB + "," + keyA
	d.sealed("fine", keyB, d.secret("fine"), 12)
	d.delivered("fine", "current", "4 min 1 s")
	d.sealed("older-key", keyA, d.secret("older"), 3)
	d.sealed("older-too", keyA, d.secret("oldertoo"), 3)
	d.sealed("wrong-key", "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", d.secret("wrong"), 2)
	d.restaurant("plain", d.secret("plain"))
	d.restaurant("empty", "")
	d.restaurant("off", "")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "isActive" = false WHERE id = 'c-off'`)
	d.secrets = append(d.secrets, "sk_live_pasted", "pk_live_pasted", "hunter2")
	d.restaurant("api-key", "sk_live_pasted")
	d.restaurant("publishable", "pk_live_pasted")
	d.restaurant("odd", "hunter2")
	d.restaurant("prefix", "whsec_")
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ('cash', 'Cash only', 'cash')`)
	return d
}

func TestOpsChecksEveryRestaurant(t *testing.T) {
	t.Parallel()
	d := sick(t)
	d.shows(1, `
RESTAURANT   MODE  SECRET     AGE   OVERLAP  ACCEPTED  REFUSED  FAULTS
api-key      live  plaintext  N s   -        -         -        1
cash         -     none       -     -        -         -        -
empty        live  none       -     -        -         -        1
fine         live  sealed     12 d  -        4 min     -        -
odd          live  unknown    N s   -        -         -        1
off          off   none       -     -        -         -        -
older-key    live  sealed     72 h  -        -         -        1
older-too    live  sealed     72 h  -        -         -        1
plain        live  plaintext  N s   -        -         -        1
prefix       live  plaintext  N s   -        -         -        1
publishable  live  unknown    N s   -        -         -        1
wrong-key    live  sealed     48 h  -        -         -        1

clock: CLOCK; keys: 9dd0034e, 7c06baef

9 faults:
  api-key: what is stored as the secret is a secret API key (sk_…)
    > ops secrets set api-key --commit
  empty: there is no secret: deliveries are refused
    > ops secrets set empty --commit
  odd: what is stored as the secret is neither a secret nor sealed
    > ops secrets set odd --commit
  older-key, older-too: the secret is sealed under an older key
    > ops secrets reseal --commit
  plain: the secret is stored in the clear
    > ops secrets reseal --commit
  prefix: the secret is empty: deliveries are refused
    > ops secrets set prefix --commit
  publishable: what is stored as the secret is a publishable API key (pk_…)
    > ops secrets set publishable --commit
  wrong-key: the secret can't be opened with any key in PAYMENT_CONFIG_ENC_KEY
  (keys 9dd0034e, 7c06baef)
    > add the key that it was sealed with; if it is lost:
      ops secrets set wrong-key --commit
ops: 9 faults found
`, "", "secrets", "check")
}

func TestOpsCheckAsJSON(t *testing.T) {
	t.Parallel()
	d := sick(t)
	out, code := d.run("", "secrets", "check", "-o", "json")
	if code != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
	var loose map[string]any
	d.json(&loose, "", "secrets", "check", "fine")
	fine := loose["restaurants"].([]any)[0].(map[string]any)
	delete(fine, "secretSetAt")
	delete(fine, "lastAcceptedAt")
	delete(fine, "currentUsedAt")
	want := map[string]any{
		"restaurantId": "fine", "slug": "fine", "configurationId": "c-fine", "active": true, "mode": "live",
		"secret": map[string]any{"stored": "sealed", "opens": true, "sealedUnderFirstKey": true, "prefix": "whsec_",
			"length": 38.0, "fingerprint": d.scalar(`SELECT "webhookSecretFingerprint" FROM "RestaurantPaymentConfig" WHERE id = 'c-fine'`), "verifies": true},
		"ageDays": 12.0, "lastMatched": "current", "faults": []any{},
	}
	if diff := cmp.Diff(want, fine); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// One restaurant's rotation, as the operator sees it from day to day.
func TestOpsChecksARotation(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 100)
	d.works(d.secret("second"), "secrets", "rotate", "r", "--stdin", "--commit")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "webhookSecretSetAt" = now() - interval '5 hours 1 min'`)
	const head = `
r (r), mode live
  secret    sealed, 38 characters, fingerprint 9acb9b84c4cd70df
  set       5 h ago, TIME
  probe     signed with it, and verified
  previous  sealed, 38 characters, fingerprint 643b78bb99949e65
  overlap   72 h left, until TIME
`
	const tail = "  clock     CLOCK\n\nNo faults.\n"
	d.shows(0, head+`  advice    never used since the rotation; the new one has verified nothing yet:
            keep it
  accepted  never
  refused   never
`+tail, "", "secrets", "check", "r")

	d.delivered("r", "previous", "3 h 1 min")
	d.delivered("r", "current", "2 h 1 min")
	d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "lastError")
		VALUES ('x', 'x', 'VERIFICATION_FAILED', 'r', '', now(), now() - interval '4 hours 1 min', 'signed with a secret that is not ours: another endpoint''s, mistyped when it was stored, or forged')`)
	d.shows(0, head+`  advice    last used 3 h ago: safe to revoke
  accepted  2 h ago, signed with the current secret
  refused   4 h ago: signed with a secret that is not ours: another endpoint's,
            mistyped when it was stored, or forged
`+tail, "", "secrets", "check", "r")

	d.delivered("r", "previous", "4 min 1 s")
	d.shows(0, head+`  advice    still in use 4 min ago: keep it
  accepted  4 min ago, signed with the previous secret
  refused   4 h ago: signed with a secret that is not ours: another endpoint's,
            mistyped when it was stored, or forged
`+tail, "", "secrets", "check", "r")
	d.shows(0, `
RESTAURANT  MODE  SECRET  AGE  OVERLAP  ACCEPTED  REFUSED  FAULTS
r           live  sealed  5 h  72 h     4 min *   4 h      -
  r, the previous secret: still in use 4 min ago: keep it

clock: CLOCK; keys: 7c06baef

No faults.
`, "", "secrets", "check")
}

// Past its overlap, an old secret is nobody's loss, not even a broken one.
func TestOpsCheckForgetsAnExpiredSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 12)
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "previousWebhookSecret" = 'v1:x', "previousWebhookSecretExpiresAt" = now() - interval '1 h'`)
	d.shows(0, `
r (r), mode live
  secret    sealed, 38 characters, fingerprint 643b78bb99949e65
  set       12 d ago, TIME
  probe     signed with it, and verified
  previous  sealed, and can't be opened here
  overlap   over: the previous secret is refused
  accepted  never
  refused   never
  clock     CLOCK

No faults.
`, "", "secrets", "check", "r")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "previousWebhookSecretExpiresAt" = now() + interval '1 h'`)
	if _, code := d.run("", "secrets", "check", "r"); code != 1 {
		t.Error("an old secret that is accepted, but can't be opened, is no fault")
	}
}

func TestOpsCheckWithoutTheServicesKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 12)
	d.keys = ""
	d.shows(1, `
r (r), mode live
  secret    sealed, and can't be opened here
  set       12 d ago, TIME
  accepted  never
  refused   never
  clock     CLOCK

1 fault:
  the secret is sealed, and PAYMENT_CONFIG_ENC_KEY is missing here
    > run this with the PAYMENT_CONFIG_ENC_KEY of the services
ops: 1 fault found
`, "", "secrets", "check", "r")
	d.shows(1, `ops: there is no restaurant "x"; see: ops restaurants list`+"\n", "", "secrets", "check", "x")
	d.shows(1, `ops: there is no restaurant ""; see: ops restaurants list`+"\n", "", "secrets", "check", "")
}

// An API key that SQL writes over a secret has the fingerprint of that secret.
func TestOpsCheckNoticesAWrongFingerprint(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 12)
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = $1`, d.seal(keyA, d.secret("second"), "c-r"))
	out, code := d.run("", "secrets", "check", "r")
	const want = `
1 fault:
  the fingerprint beside the secret is another secret's: it was stored by SQL
  that does not set it
    > ops secrets set r --commit
ops: 1 fault found
`
	if code != 1 || len(out) < len(want) || out[len(out)-len(want):] != want {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// Who has the same secret can't always be told apart, unless by a Connect account.
func TestOpsCheckNoticesASecretOfTwo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	same := d.secret("same")
	for _, slug := range []string{"first", "off", "second"} {
		d.sealed(slug, keyA, same, 12)
	}
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "isActive" = false WHERE id = 'c-off'`)
	d.sealed("other", keyA, d.secret("other"), 12)
	out, code := d.run("", "secrets", "check")
	const want = `
1 fault:
  second: the secret is that of first, too: whose an event is can't always be
  told
    > make an endpoint of its own in Stripe's Dashboard, with the slug in its
      URL, then: ops secrets rotate second --commit
ops: 1 fault found
`
	if code != 1 || len(out) < len(want) || out[len(out)-len(want):] != want {
		t.Errorf("exit %d\n%s", code, out)
	}
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "stripeAccountId" = 'acct_' || "restaurantId"`)
	d.works("", "secrets", "check")
}

func TestOpsNamesByIDAndSlug(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ('one', 'One', 'two'), ('two', 'Two', 'three')`)
	d.shows(1, `ops: "two" names two restaurants, one by its slug and one by its id: three (id
     two) and two (id one)`+"\n", "", "secrets", "check", "two")
	d.works("", "secrets", "check", "one")
	d.works("", "secrets", "check", "three")
}

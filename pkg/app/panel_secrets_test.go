package app_test

import (
	"net/url"
	"strings"
	"testing"

	"tillhook/pkg/secret"
)

// storesSecret is an operator who types a secret into a restaurant's page.
func (b *browser) storesSecret(plain, overlap string) {
	b.Helper()
	b.open("/admin/settings/payments/slug-a")
	b.send("/admin/settings/payments/slug-a/secret", url.Values{"secret": {plain}, "overlap": {overlap}})
}

// Who rotates and mistypes the secret may be reassured by a test event, which is
// signed with the mistyped one. The secret that Stripe signs with stays the one
// before, and nothing says that Stripe has delivered.
func TestATestEventIsNoProofOfASecret(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	b := p.signedIn("anna@example.com")
	pay := p.newPayments("a", 1)[0]
	mistyped, right := "whsec_"+strings.Repeat("x", 32), "whsec_"+strings.Repeat("n", 32)
	b.storesSecret(mistyped, "")
	b.shows(200, "The secret is stored")
	p.eventually("the services know it, and the test event gets through", func() bool {
		b.open("/admin/settings/payments/slug-a")
		b.send("/admin/settings/payments/slug-a/test", url.Values{})
		return strings.Contains(b.page, "COMPLETED ignored")
	})
	b.shows(200, "<dt>Last delivery that verified</dt><dd>none", "<dt>Last success</dt><dd>none", "<dt>Last used</dt><dd>never", "proves the way, not the secret")
	if got := p.scalar(`SELECT concat_ws(' ', source, "signedWith") FROM "WebhookEvent" WHERE status = 'COMPLETED' LIMIT 1`); got != "test" {
		t.Error("the test event is", got)
	}
	if got := p.get("/api/health/webhooks"); strings.Contains(got.body, `"lastSuccessfulWebhook":"`) {
		t.Error("a test event is a success of Stripe's:", got.body)
	}

	b.storesSecret(right, "")
	b.shows(200, "The secret is stored")
	before := p.scalar(`SELECT coalesce("previousWebhookSecretFingerprint", '') FROM "RestaurantPaymentConfig" WHERE id = 'config-a'`)
	if before != secret.Fingerprint("whsec_of_a") {
		t.Error("the mistyped secret has pushed out the one that Stripe signs with")
	}
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Error("a delivery that is signed with the secret before the slip:", got)
	}
}

// After a rotation the old secret turns out to have leaked: who enters the new
// one once more, and says so, ends the overlap.
func TestASecretThatHasLeakedIsRefusedFromNowOn(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true}).panel()
	b := p.signedIn("anna@example.com")
	pay := p.newPayments("a", 1)[0]
	stored := "whsec_" + strings.Repeat("n", 32)
	b.storesSecret(stored, "")
	b.shows(200, "The secret is stored", "The one before is accepted until")
	b.storesSecret(stored, "")
	b.shows(200, "This secret was stored already.</p>", "accepted for another 72 h")
	b.storesSecret(stored, "24h")
	b.shows(200, "This secret was stored already. The one before is accepted until", "accepted for another 24 h")
	b.storesSecret(stored, "0")
	b.shows(200, "This secret was stored already. The one before is refused from now on.", "<dt>The one before</dt><dd>not accepted")
	p.eventually("what the leaked secret has signed is refused", func() bool {
		return p.deliver(pay, p.factory.CheckoutCompleted(pay)).status == 400
	})
	if n := p.scalar(`SELECT count(*)::text FROM "AuditEntry" WHERE actor = 'anna@example.com' AND detail = 'previousWebhookSecretExpiresAt'`); n != "2" {
		t.Errorf("%s audit lines of the overlap, want 2", n)
	}
	// What is over is not brought back by who chooses an overlap.
	b.storesSecret(stored, "168h")
	b.shows(200, "This secret was stored already.</p>", "<dt>The one before</dt><dd>not accepted")
}

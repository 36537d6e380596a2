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

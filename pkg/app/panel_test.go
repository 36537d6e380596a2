package app_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/secret"
)

func TestPanelSetsASecretAndDeliversWithIt(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	b := p.signedIn("anna@example.com")
	pay := p.newPayments("a", 1)[0]
	newSecret := "whsec_" + strings.Repeat("n", 32)

	b.open("/admin/settings/payments")
	b.shows(200, "slug-a", "slug-b")
	b.open("/admin/settings/payments/slug-a")
	b.shows(200, "Replace the secret", secret.Fingerprint("whsec_of_a"))
	b.send("/admin/settings/payments/slug-a/secret", url.Values{"secret": {"sk_live_xxxxxxxxxxxxxxxxxxxxxxxxx"}})
	b.shows(422, "not a signing secret")
	b.send("/admin/settings/payments/slug-a/secret", url.Values{"secret": {newSecret}, "overlap": {"24h"}})
	b.shows(200, "The secret is stored", secret.Fingerprint(newSecret), "accepted until", "accepted for another 24 h")
	if strings.Contains(b.page, newSecret) || strings.Contains(p.logs.String(), newSecret) {
		t.Error("the secret is told")
	}
	if n := p.audited("anna@example.com", "panel: set secret", "config-a"); n != "2" {
		t.Errorf("%s audit lines, want one of the secret and one of its overlap", n)
	}

	// The services use it at once; the one before still counts.
	p.secrets["a"] = newSecret
	p.eventually("a delivery verifies with the new secret", func() bool {
		return p.deliver(pay, p.factory.CheckoutCompleted(pay)).status == 200
	})
	p.secrets["a"] = "whsec_of_a"
	if got := p.deliver(pay, p.factory.ChargeSucceeded(pay)); got.status != 200 {
		t.Error("the secret before is refused:", got)
	}

	b.open("/admin/settings/payments/slug-a")
	b.send("/admin/settings/payments/slug-a/test", url.Values{})
	b.shows(200, "Sent", "Answered", "&#34;received&#34;:true", "verified by the secret that is stored", "Worked off", "COMPLETED ignored")
	p.eventually("the order is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	b.open("/admin/orders/" + pay.OrderID)
	b.shows(200, "PAYMENT_PENDING → <strong>PAID</strong>", "25.00 EUR", "checkout.session.completed")
	b.open("/admin/orders?restaurant=slug-a&status=PAID")
	b.shows(200, pay.OrderID)
	b.open("/admin/audit?restaurant=slug-a")
	b.shows(200, "panel: set secret", "panel: send a test event", "webhookSecret")
}

func TestPanelShowsAFailedEventAndReplaysIt(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	b := p.signedIn("anna@example.com")
	pay := p.newPayments("a", 1)[0]
	// The customer has paid another amount: a human must look.
	p.exec(`UPDATE "Payment" SET amount = 9900 WHERE id = $1`, pay.PaymentID)
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatal(got)
	}
	p.eventually("the event has failed", func() bool { return p.rows(`status = 'FAILED'`) == "1" })
	id := p.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'FAILED'`)
	email := "customer@example.com"
	b.open("/admin/events?status=FAILED&restaurant=slug-a&type=checkout.*&order=" + pay.OrderID)
	b.shows(200, id, "checkout.session.completed", "FAILED")
	b.open("/admin/events?type=charge.*")
	b.shows(200, "No event is like that")

	b.open("/admin/events/" + id)
	b.shows(200, "FAILED", "•••", pay.Session)
	if strings.Contains(b.page, email) {
		t.Error("the customer's address is shown to who has not asked for it")
	}
	b.send("/admin/events/"+id, url.Values{})
	b.shows(200, "the audit has a line")
	if strings.Contains(b.page, "•••") {
		t.Error("something is still covered")
	}
	if n := p.audited("anna@example.com", "panel: show payload", id); n != "1" {
		t.Errorf("%s audit lines of what was shown", n)
	}

	p.exec(`UPDATE "Payment" SET amount = 2500, status = 'PENDING', facts = '{}' WHERE id = $1`, pay.PaymentID)
	b.open("/admin/events?status=FAILED")
	b.send("/admin/events/replay", url.Values{"id": {id}})
	b.shows(200, "Replayed: 1 event")
	p.eventually("the replayed event is completed", func() bool { return p.rows(`status = 'COMPLETED' AND id = $1`, id) == "1" })
	if got := p.states(pay); got != "PAID / COMPLETED" {
		t.Error(got)
	}
	if n := p.audited("anna@example.com", "panel: replay", id); n != "1" {
		t.Errorf("%s audit lines of the replay", n)
	}
	b.open("/admin/events/" + id)
	b.shows(200, "COMPLETED", "PAYMENT_PENDING → <strong>PAID</strong>")
	b.send("/admin/events/replay", url.Values{})
	b.shows(422, "select the events")
	b.open("/admin/events/no-such-event")
	b.shows(404, "nothing of this name")
}

func TestPanelOverviewIsLive(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	b := p.signedIn("vito@example.com")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/admin/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Timeout = 0
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatal(got)
	}
	var seen strings.Builder
	buffer := make([]byte, 32<<10)
	for !strings.Contains(seen.String(), "Last hour: 1 event stored, 0 of them refused; 1 at the most in a minute. 0 failed") {
		n, err := resp.Body.Read(buffer)
		seen.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%v\n%s", err, seen.String())
		}
	}
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Error(ct)
	}
}

func TestPanelQueues(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatal(got)
	}
	p.eventually("the queues are known", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	vito, anna := p.signedIn("vito@example.com"), p.signedIn("anna@example.com")
	vito.open("/admin/queues")
	vito.shows(200, `<iframe class="frame" src="/admin/queues/ui"`, "change nothing", "Overview")
	vito.open("/admin/queues/ui")
	vito.shows(200, `FLAG_READ_ONLY="true"`, `FLAG_ROOT_PATH="\/admin\/queues\/ui"`)
	if strings.Contains(vito.page, "googleapis") {
		t.Error("the page asks another site for something")
	}
	anna.open("/admin/queues/ui/")
	anna.shows(200, `FLAG_READ_ONLY="false"`)
	nonce := regexp.MustCompile(`'nonce-([0-9a-f]+)'`).FindStringSubmatch(anna.header.Get("Content-Security-Policy"))
	if nonce == nil || strings.Count(anna.page, `<script nonce="`+nonce[1]+`"`) != strings.Count(anna.page, "<script") {
		t.Error("a script of the page has no nonce, or not this one:", nonce)
	}
	vito.open("/admin/queues/ui/api/queues")
	vito.shows(200, `"queue":"critical"`)
	vito.send("/admin/queues/ui/api/queues/low:pause", url.Values{})
	vito.shows(403)
	anna.send("/admin/queues/ui/api/queues/low:pause", url.Values{})
	anna.shows(204)
	if n := p.audited("anna@example.com", "panel: queues", "queues/low:pause"); n != "1" {
		t.Errorf("%s audit lines of the pause", n)
	}
}

func TestPanelReconcilesAnOrder(t *testing.T) {
	t.Parallel()
	asked, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	p := asked.panel()
	b := p.signedIn("anna@example.com")
	pay := p.newPayments("a", 1)[0]
	p.age(pay, "2 hours")
	b.open("/admin/orders?status=stuck&restaurant=slug-a")
	b.shows(200, pay.OrderID, "there is no API key to ask Stripe with")
	b.open("/admin/orders/" + pay.OrderID)
	b.shows(200, "Compare with Stripe", "No event has changed it yet.")
	b.send("/admin/orders/"+pay.OrderID+"/reconcile", url.Values{})
	b.shows(422, "the restaurant has no API key")

	p.giveKey(restaurantKey)
	there.Put(restaurantKey, p.factory.CheckoutCompleted(pay))
	there.Put(restaurantKey, p.factory.IntentSucceeded(pay))
	b.open("/admin/orders/" + pay.OrderID)
	b.send("/admin/orders/"+pay.OrderID+"/reconcile", url.Values{})
	b.shows(200, "Stripe says", "1 event stored that we did not have")
	p.eventually("the order is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	b.open("/admin/orders/" + pay.OrderID)
	b.shows(200, "PAYMENT_PENDING → <strong>PAID</strong>")
	if strings.Contains(b.page, "Compare with Stripe") {
		t.Error("a paid order can be compared")
	}
	if n := p.audited("anna@example.com", "panel: reconcile", pay.OrderID); n != "3" {
		t.Errorf("%s audit lines, want one of each question, and one of what was stored", n)
	}
	b.open("/admin/orders?id=no-such-order")
	b.shows(404)
}

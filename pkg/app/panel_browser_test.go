package app_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"tillhook/pkg/browsertest"
	"tillhook/pkg/stripetest"
)

// An operator's way through the panel, in a real browser: no page is wider than
// a phone, none has anything in it that its own policy forbids, and what they
// see and press works.
func TestPanelInABrowser(t *testing.T) {
	t.Parallel()
	ctx, complaints := chromium(t)
	p := start(t, parts{}).panel()
	v := &visit{p, ctx, complaints}
	paid, failing, nobody := p.newPayments("a", 1)[0], p.newPayments("b", 1)[0], p.factory.Payment("a", "order-nobody", "payment-nobody", 2500, "eur")
	p.newPayments("a", 3)
	p.exec(`UPDATE "Order" SET "createdAt" = now() - interval '2 hours' WHERE id = $1`, "order-00003")
	p.exec(`INSERT INTO "OrderLookup" ("orderId", finding, "lookedAt", "nextLookAt") VALUES ($1, $2, now(), now())`, "order-00003",
		"looking up session cs_live_"+strings.Repeat("x", 58)+": no such object at Stripe for this API key (HTTP 404)")
	p.exec(`UPDATE "Payment" SET amount = 9900 WHERE id = $1`, failing.PaymentID)
	for _, e := range []stripetest.Event{p.factory.CheckoutCompleted(paid), p.factory.ChargeSucceeded(paid), p.factory.ChargeRefunded(paid, 1000)} {
		p.deliver(paid, e)
	}
	p.deliver(nobody, p.factory.CheckoutCompleted(nobody))
	p.deliver(failing, p.factory.CheckoutCompleted(failing))
	p.secrets["b"] = "whsec_wrong"
	p.deliver(failing, p.factory.ChargeSucceeded(failing))
	p.eventually("all is worked off but what waits", func() bool {
		return p.rows(`status = 'PROCESSING'`) == "1" && p.rows(`status = 'COMPLETED'`) == "3" && p.rows(`status = 'FAILED'`) == "1"
	})
	p.retryInAnHour("critical", 1)

	v.does("looking at the door", chromedp.Navigate(p.url+"/admin"), chromedp.WaitVisible("input[name=password]"))
	p.shoot(ctx, "signin", complaints)
	v.does("trying another password", chromedp.SendKeys("input[name=email]", "anna@example.com\tanother password\r"), chromedp.WaitVisible(".said.bad"))
	complaints() // of the 401
	p.shoot(ctx, "signin-refused", complaints)
	v.signsIn("anna@example.com")
	v.does("the overview becoming live", chromedp.Poll(`document.getElementById("liveness").textContent === "live" && document.querySelector(".tiles dd").textContent === "5"`, nil))
	p.shoot(ctx, "overview", complaints)
	for name, path := range map[string]string{
		"events": "/admin/events", "events-none": "/admin/events?type=no.such.type", "orders": "/admin/orders", "orders-stuck": "/admin/orders?status=stuck", "orders-none": "/admin/orders?status=EXPIRED",
		"order": "/admin/orders/" + paid.OrderID, "restaurants": "/admin/settings/payments", "restaurant": "/admin/settings/payments/slug-b", "audit": "/admin/audit",
	} {
		v.goes(path)
		p.shoot(ctx, name, complaints)
	}
	v.replays(failing)
	v.setsASecret(paid)
	v.looksIntoTheQueue()
	v.does("signing out", chromedp.Navigate(p.url+"/admin"), chromedp.Click(".me button"), chromedp.WaitVisible("input[name=password]"))
	v.isOnlyAViewer(failing)
}

// replays sees a delivery that has failed and why, mends the cause, replays it,
// and watches it complete on the same page.
func (v *visit) replays(failing stripetest.Payment) {
	v.Helper()
	failed := v.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'FAILED'`)
	v.goes("/admin/events?status=FAILED")
	v.sees("checkout.session.completed", "FAILED")
	v.does("opening the event", chromedp.Click(`a[href="/admin/events/`+failed+`"]`), chromedp.WaitVisible("pre"))
	v.lacks(`main table a[href="/admin/events/` + failed + `"]`)
	v.sees("FAILED", v.scalar(`SELECT "lastError" FROM "WebhookEvent" WHERE id = $1`, failed), "•••")
	v.shoot(v.ctx, "event-failed", v.complaints)
	v.does("showing what is covered", chromedp.Evaluate(`window.confirm = () => true`, nil), chromedp.Click("section form button"), chromedp.WaitVisible(".said.open"))
	v.shoot(v.ctx, "event-shown", v.complaints)
	v.exec(`UPDATE "Payment" SET amount = 2500, status = 'PENDING', facts = '{}' WHERE id = $1`, failing.PaymentID)
	v.goes("/admin/events/" + failed)
	v.does("replaying it", chromedp.Click(`form[action="/admin/events/replay"] button`), chromedp.WaitVisible("h1 .tag.good"))
	v.sees("COMPLETED", "PAYMENT_PENDING → PAID")
	if got := v.states(failing); got != "PAID / COMPLETED" {
		v.Error(got)
	}
	v.shoot(v.ctx, "event-replayed", v.complaints)
	v.goes("/admin/events?status=COMPLETED")
	v.does("replaying a selection", chromedp.Click("[data-all]"), chromedp.WaitVisible("input[name=id]:checked"),
		chromedp.Click("form[data-selection] .actions button"), chromedp.WaitVisible(".said.good"))
	v.sees("Replayed: 4 events")
	v.eventually("they are completed again", func() bool { return v.rows(`status = 'COMPLETED' AND outcome = 'no_change'`) == "4" })
}

// setsASecret stores one, with which deliveries are accepted at once, and sends
// a test event.
func (v *visit) setsASecret(paid stripetest.Payment) {
	v.Helper()
	stored := "whsec_" + strings.Repeat("n", 32)
	v.goes("/admin/settings/payments/slug-a")
	v.does("storing a secret", chromedp.SendKeys("input[name=secret]", stored), chromedp.SetValue("select[name=overlap]", "24h"),
		chromedp.Click(`form[action$="/secret"] button`), chromedp.WaitVisible(".said.good"))
	v.sees("The secret is stored", "accepted for another 24 h")
	v.lacks(`input[value^="whsec"]`)
	v.shoot(v.ctx, "restaurant-set", v.complaints)
	v.secrets["a"] = stored
	v.eventually("a delivery verifies with it", func() bool { return v.deliver(paid, v.factory.Other(paid, "customer.created")).status == 200 })
	v.does("sending a test event", chromedp.Click("#test button"), chromedp.WaitVisible(".hops li:nth-child(4)"))
	v.sees("verified by the secret that is stored", "COMPLETED ignored")
	v.shoot(v.ctx, "restaurant-test", v.complaints)
}

// looksIntoTheQueue finds the event that waits for its payment among the tasks
// to be tried again, and why, without leaving the panel.
func (v *visit) looksIntoTheQueue() {
	v.Helper()
	id := v.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'PROCESSING'`)
	v.goes("/admin/queues")
	v.sees("critical", "default", "low", "Overview")
	v.shoot(v.ctx, "queues", v.complaints)
	v.clicks("a", "critical")
	v.sees("Queue name")
	v.clicks(".MuiChip-clickable", "Retry")
	v.clicks("tbody tr", id[:8])
	v.sees(id, "stripe:event", "Retry", "Last Failure")
	v.does("all of it being within its card", chromedp.Poll(`[...document.querySelector("iframe").contentDocument.querySelectorAll("main .MuiPaper-root")].every(card =>
		[...card.querySelectorAll("p")].every(text => text.getBoundingClientRect().right <= card.getBoundingClientRect().right))`, nil))
	v.shoot(v.ctx, "queues-task", v.complaints)
	// On a phone the queues' own menu begins closed: there is room for a table.
	v.does("taking a phone", emulation.SetDeviceMetricsOverride(400, 900, 1, false))
	v.goes("/admin/queues")
	v.sees("critical")
	v.does("the menu being closed", chromedp.Poll(`(() => {
		const menu = document.querySelector("iframe").contentDocument.querySelector(".MuiDrawer-paper");
		return menu && menu.offsetWidth > 0 && menu.offsetWidth < 100 })()`, nil))
	browsertest.Picture(v.ctx, v, "panel-queues-phone")
	v.does("leaving it", emulation.SetDeviceMetricsOverride(1280, 900, 1, false))
	v.does("going back", chromedp.Click(`nav a[href="/admin/audit"]`), chromedp.WaitVisible("main table"))
}

// isOnlyAViewer looks at everything, and is refused whatever changes something.
func (v *visit) isOnlyAViewer(failing stripetest.Payment) {
	v.Helper()
	v.signsIn("vito@example.com")
	id := v.scalar(`SELECT id FROM "WebhookEvent" WHERE "orderId" = $1 AND status = 'COMPLETED' LIMIT 1`, failing.OrderID)
	for name, path := range map[string]string{"viewer-events": "/admin/events", "viewer-event": "/admin/events/" + id, "viewer-restaurant": "/admin/settings/payments/slug-a", "viewer-order": "/admin/orders/order-00003"} {
		v.goes(path)
		v.lacks("main form[method=post] button", "input[type=checkbox][name=id]", "input[name=secret]")
		v.shoot(v.ctx, name, v.complaints)
	}
	v.goes("/admin/queues")
	v.sees("change nothing", "critical")
	v.shoot(v.ctx, "viewer-queues", v.complaints)
	for _, path := range []string{"/admin/events/replay", "/admin/events/" + id, "/admin/orders/order-00003/reconcile", "/admin/settings/payments/slug-a/secret",
		"/admin/settings/payments/slug-a/test", "/admin/queues/ui/api/queues/low:pause"} {
		if status := v.answer("POST", path); status != 403 {
			v.Errorf("a viewer's POST to %s: %d", path, status)
		}
	}
	v.does("a page that isn't there", chromedp.Navigate(v.url+"/admin/orders/none"), chromedp.WaitVisible(".said.bad"))
	v.complaints()
	v.shoot(v.ctx, "error", v.complaints)
}

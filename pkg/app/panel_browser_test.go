package app_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tillhook/pkg/stripetest"
)

var panelShots = flag.String("panel.shots", "", "a folder for pictures of the panel's pages")

// chromium is a browser that ends with the test, and the complaints that its
// console had.
func chromium(t *testing.T) (context.Context, func() []string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no chromium")
		}
		t.Skip("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stopAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(func() {
		cancel()
		stop()
		stopAll()
	})
	var mu sync.Mutex
	var complaints []string
	chromedp.ListenTarget(ctx, func(e any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Error())
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError {
				complaints = append(complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		}
	})
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := complaints
		complaints = nil
		return all
	}
}

// A person's way through the panel, in a real browser: no page is wider than a
// phone, none has anything in it that its own policy forbids, and what they see
// and press works.
func TestPanelInABrowser(t *testing.T) {
	t.Parallel()
	ctx, complaints := chromium(t)
	p := start(t, parts{}).panel()
	paid, failing := p.newPayments("a", 1)[0], p.newPayments("b", 1)[0]
	p.newPayments("a", 3)
	p.exec(`UPDATE "Order" SET "createdAt" = now() - interval '2 hours' WHERE id = $1`, "order-00003")
	p.exec(`UPDATE "Payment" SET amount = 9900 WHERE id = $1`, failing.PaymentID)
	for _, e := range []stripetest.Event{p.factory.CheckoutCompleted(paid), p.factory.ChargeSucceeded(paid), p.factory.ChargeRefunded(paid, 1000)} {
		p.deliver(paid, e)
	}
	p.deliver(failing, p.factory.CheckoutCompleted(failing))
	p.secrets["b"] = "whsec_wrong"
	p.deliver(failing, p.factory.ChargeSucceeded(failing))
	p.eventually("all is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" && p.rows(`status = 'COMPLETED'`) == "3" })
	failed := p.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'FAILED'`)

	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("looking at the door", chromedp.Navigate(p.url+"/admin"), chromedp.WaitVisible("input[name=password]"))
	p.shoot(ctx, "signin", complaints)
	run("signing in with the keyboard", chromedp.SendKeys("input[name=email]", "anna@example.com\t"+panelPassword+"\r"),
		chromedp.WaitVisible(".tiles"))
	run("the overview becoming live", chromedp.Poll(`document.getElementById("liveness").textContent === "live" && document.querySelector(".tiles dd").textContent === "5"`, nil))
	p.shoot(ctx, "overview", complaints)
	for name, path := range map[string]string{
		"events": "/admin/events", "event-failed": "/admin/events/" + failed, "orders": "/admin/orders", "orders-stuck": "/admin/orders?stuck=1",
		"order": "/admin/orders/" + paid.OrderID, "restaurants": "/admin/settings/payments", "restaurant": "/admin/settings/payments/slug-a", "audit": "/admin/audit",
	} {
		run("opening "+path, chromedp.Navigate(p.url+path), chromedp.WaitVisible("h1"))
		p.shoot(ctx, name, complaints)
	}

	p.exec(`UPDATE "Payment" SET amount = 2500, status = 'PENDING', facts = '{}' WHERE id = $1`, failing.PaymentID)
	run("replaying a selection", chromedp.Evaluate(`window.confirm = () => true`, nil), chromedp.Navigate(p.url+"/admin/events?status=FAILED"),
		chromedp.WaitVisible("[data-all]"), chromedp.Evaluate(`window.confirm = () => true`, nil),
		chromedp.Click("[data-all]"), chromedp.WaitVisible("input[name=id]:checked"),
		chromedp.Click("form[data-selection] .actions button"), chromedp.WaitVisible(".said.good"))
	p.eventually("the replayed event is completed", func() bool { return p.states(failing) == "PAID / COMPLETED" })

	run("sending a test event", chromedp.Navigate(p.url+"/admin/settings/payments/slug-a"), chromedp.Click("#test button"), chromedp.WaitVisible(".hops li:nth-child(4)"))
	p.shoot(ctx, "restaurant-test", complaints)
	run("the queues' pages", chromedp.Navigate(p.url+"/admin/queues"), chromedp.WaitVisible(`a[href="/admin/queues/queues/critical"]`))
	if bad := complaints(); len(bad) > 0 {
		t.Errorf("the queues' pages: %s", strings.Join(bad, "\n"))
	}
	p.picture(ctx, "queues")
}

// shoot looks at a page wide and narrow, by day and by night.
func (p *panel) shoot(ctx context.Context, name string, complaints func() []string) {
	p.Helper()
	for _, width := range []int64{1280, 400} {
		for _, scheme := range []string{"light", "dark"} {
			var wide int64
			if err := chromedp.Run(ctx,
				emulation.SetDeviceMetricsOverride(width, 900, 1, false),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide)); err != nil {
				p.Fatalf("%s: %v", name, err)
			}
			if wide > width {
				p.Errorf("%s: %d wide on a screen of %d", name, wide, width)
			}
			p.picture(ctx, fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	if err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(1280, 900, 1, false)); err != nil {
		p.Fatal(err)
	}
	if bad := complaints(); len(bad) > 0 {
		p.Errorf("%s: %s", name, strings.Join(bad, "\n"))
	}
}

func (p *panel) picture(ctx context.Context, name string) {
	p.Helper()
	if *panelShots == "" {
		return
	}
	var png []byte
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*panelShots, name+".png"), png, 0o600); err != nil {
		p.Fatal(err)
	}
}

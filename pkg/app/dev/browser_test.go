package dev_test

import (
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tillhook/pkg/app"
	"tillhook/pkg/app/dev"
	"tillhook/pkg/browsertest"
	"tillhook/pkg/devstack"
)

// running runs cmd/dev in a folder until the end of the test, and answers where its
// shop is.
func running(t *testing.T, dir string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	out, in := io.Pipe()
	var ended sync.WaitGroup
	ended.Go(func() {
		err := dev.Run(ctx, app.Process{
			Args: []string{"--dir", dir}, Stdin: strings.NewReader(""), Stdout: in, Stderr: in,
			Env: []string{"PORT=0", "DATABASE_URL=" + devstack.Database(t, nil), "REDIS_URL=" + devstack.RedisURL(t)},
		})
		if err != nil {
			t.Error(err)
		}
		in.Close()
	})
	found, said := make(chan string, 1), ""
	ended.Go(func() {
		defer close(found)
		var all strings.Builder
		buffer := make([]byte, 4096)
		for told := false; ; {
			n, err := out.Read(buffer)
			all.Write(buffer[:n])
			if m := regexp.MustCompile(`Shop: +(http://\S+)/\n`).FindStringSubmatch(all.String()); m != nil && !told {
				found <- m[1]
				told = true
			}
			if err != nil {
				said = all.String()
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		ended.Wait()
		if t.Failed() {
			t.Log(said)
		}
	})
	shop, ok := <-found
	if !ok {
		t.Fatal("cmd/dev has no shop")
	}
	return shop
}

// customer is somebody with a browser.
type customer struct {
	*testing.T
	*browsertest.Browser
	shop string
}

// sums are what two of the first and one of the second dish cost.
var sums = map[string]string{"trattoria-da-marco": "€30.50", "sushi-kaito": "¥2,810", "brasserie-lucie": "$74.90"}

// orders dishes at a restaurant, with the keyboard alone, and is on Stripe's
// page then.
func (c *customer) orders(restaurant, picture string) {
	c.Helper()
	c.Do("choosing", chromedp.Navigate(c.shop+"/"+restaurant), chromedp.WaitVisible("#dish0"), chromedp.SendKeys("#dish0", "2\t1"))
	c.Until("the sum is on the button", `document.querySelector("output").value === "`+sums[restaurant]+`"`)
	c.looks(picture)
	c.Do("ordering", chromedp.SendKeys("#dish1", "\r"))
	c.Until("the hosted page is there", `document.querySelector(".sum")?.textContent === "`+sums[restaurant]+`"`)
}

func (c *customer) press(button string) {
	c.Helper()
	c.Do("pressing "+button, chromedp.Click(`button[value=`+button+`]`, chromedp.ByQuery))
}

// isBack waits for the shop's page, which must not be loaded again from then on.
func (c *customer) isBack() {
	c.Helper()
	c.Until("the shop's page is there", `location.origin === "`+c.shop+`" && document.querySelector("tillhook-order")?.shadowRoot != null`)
	c.Do("marking the page", chromedp.Evaluate(`window.sameAsBefore = true`, nil))
}

// sees waits until the widget shows a state, on the very page that was there
// before.
func (c *customer) sees(status string) {
	c.Helper()
	c.Until("the widget shows "+status, `document.querySelector("tillhook-order").getAttribute("status") === "`+status+`"`)
	var same bool
	c.Do("looking at the page", chromedp.Evaluate(`window.sameAsBefore === true`, &same))
	if !same {
		c.Errorf("the page was loaded again before it showed %s", status)
	}
}

func (c *customer) looks(picture string) {
	c.Helper()
	if picture != "" {
		c.Shoot(picture)
	}
}

// The whole way in a real browser: order, pay, and the widget turns PAID without
// a reload; declined, expired, bounced, left, and what never reaches us.
func TestACustomerInABrowser(t *testing.T) {
	t.Parallel()
	shop := running(t, t.TempDir())
	browser := browsertest.Open(t)
	for _, way := range []struct {
		name string
		goes func(*customer)
	}{{"pays", pays}, {"declined", declined}, {"expired", expired}, {"bounced", bounced}, {"leaves", leaves}, {"lost", lost}} {
		t.Run(way.name, func(t *testing.T) {
			c := &customer{t, browser.For(t), shop}
			way.goes(c)
			for _, complaint := range c.Complaints() {
				t.Error(complaint)
			}
		})
	}
}

func pays(c *customer) {
	c.orders("trattoria-da-marco", "shop")
	c.looks("hosted")
	c.press("pay")
	c.isBack()
	c.sees("PAYMENT_PENDING")
	c.sees("PAID")
	c.looks("order-paid")
}

func declined(c *customer) {
	c.orders("sushi-kaito", "shop-yen")
	c.press("decline")
	c.Until("the page says so", `document.querySelector("[role=alert]")?.textContent.includes("declined")`)
	c.looks("hosted-declined")
	c.press("pay")
	c.isBack()
	c.sees("PAID")
}

func expired(c *customer) {
	c.orders("brasserie-lucie", "")
	c.press("expire")
	c.Until("the page says so", `document.querySelector("h1")?.textContent.includes("expired")`)
	c.looks("hosted-expired")
	c.Do("going back to the shop", chromedp.Click("a.main", chromedp.ByQuery))
	c.isBack()
	c.sees("EXPIRED")
	c.looks("order-expired")
	c.paysAgain()
}

func bounced(c *customer) {
	c.orders("trattoria-da-marco", "")
	c.press("bounce")
	c.isBack()
	c.sees("PAYMENT_PENDING")
	c.looks("order-pending")
	c.sees("PAYMENT_FAILED")
	c.looks("order-failed")
	c.paysAgain()
}

// leaves goes back without paying: the order waits, and so does its session.
func leaves(c *customer) {
	c.orders("trattoria-da-marco", "")
	var first, second string
	c.Do("leaving", chromedp.Location(&first), chromedp.Click(".bill a", chromedp.ByQuery))
	c.isBack()
	c.sees("PAYMENT_PENDING")
	c.looks("order-left")
	c.Do("coming back", chromedp.WaitVisible("form.again"), chromedp.Click("form.again button", chromedp.ByQuery))
	c.Until("the hosted page is there", `document.querySelector("button[value=pay]") !== null`)
	c.Do("looking where that is", chromedp.Location(&second))
	if first != second {
		c.Errorf("there is a second session: %s, then %s", first, second)
	}
	c.press("transfer")
	c.isBack()
	c.sees("PAID")
}

// lost is a payment that nobody tells us of: the worker asks.
func lost(c *customer) {
	c.orders("trattoria-da-marco", "")
	c.Do("losing the webhooks", chromedp.Click("input[name=lost]", chromedp.ByQuery))
	c.press("pay")
	c.isBack()
	c.sees("PAID")
}

// paysAgain presses the button that is offered, and pays on a new session.
func (c *customer) paysAgain() {
	c.Helper()
	c.Do("paying again", chromedp.WaitVisible("form.again"), chromedp.Click("form.again button", chromedp.ByQuery))
	c.Until("the hosted page is there", `document.querySelector("button[value=pay]") !== null`)
	c.press("pay")
	c.isBack()
	c.sees("PAID")
}

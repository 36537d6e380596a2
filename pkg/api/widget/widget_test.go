package widget_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/api/widget"
	"tillhook/pkg/browsertest"
)

const element = `<tillhook-order order="` + orderID + `" token="` + token + `"></tillhook-order>`

func TestItIsSmall(t *testing.T) {
	t.Parallel()
	if n := len(widget.Script); n >= 5000 {
		t.Errorf("%d bytes are served, want less than 5000", n)
	}
	for line := range strings.Lines(string(widget.Script)) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "/*") {
			t.Errorf("served for nobody: %s", line)
		}
	}
}

// page is a world whose page is open in the browser.
type page struct {
	*testing.T
	*browsertest.Browser
	*world
}

func (p *page) open() {
	p.Helper()
	p.Do("opening the page", chromedp.Navigate(p.shop.URL), chromedp.WaitReady("tillhook-order"))
}

func (p *page) shows(status, text string) {
	p.Helper()
	p.Until("it shows "+status, `document.querySelector("tillhook-order").getAttribute("status") === "`+status+`"`)
	if got := p.eval(`document.querySelector("tillhook-order").shadowRoot.querySelector("[part=state]").textContent`); got != text {
		p.Errorf("%s is shown as %q, want %q", status, got, text)
	}
}

func (p *page) eval(js string) (text string) {
	p.Helper()
	p.Do("looking", chromedp.Evaluate(js, &text))
	return text
}

// rests waits until the widget waits for nothing any more, and wants it to stay
// so, whatever happens to the page.
func (p *page) rests() {
	p.Helper()
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	before := p.requests()
	p.Do("waking it", chromedp.Evaluate(`window.dispatchEvent(new Event("online")); document.dispatchEvent(new Event("visibilitychange"))`, nil))
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	if after := p.requests(); len(after) != len(before) {
		p.Errorf("asked on after the end: %q", after[len(before):])
	}
}

// told wants these changes to have been told to the page.
func (p *page) told(want ...string) {
	p.Helper()
	if diff := cmp.Diff(strings.Join(want, " "), p.eval(`probe.told.join(" ")`)); diff != "" {
		p.Errorf("tillhook:change (-want +got)\n%s", diff)
	}
}

const (
	waiting = "Waiting for your payment …"
	paid    = "Paid. Thank you!"
	expired = "The time to pay has run out."
)

// In a real browser, at another origin than the API's and under a policy that
// allows nothing inline.
func TestTheWidgetInABrowser(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t)
	for _, c := range []struct {
		name string
		set  func(*world)
		play func(*page)
		loud bool // the browser itself complains about answers that are errors
	}{
		{"by stream", nil, byStream, false},
		{"by long poll, as streams are refused", func(w *world) { w.stream = "500" }, byLongPoll, true},
		{"by long poll, as streams break off", func(w *world) { w.stream = "cut" }, byLongPoll, false},
		{"by poll, as nothing is held", func(w *world) { w.stream, w.wait = "cut", "early" }, byPoll, false},
		{"by poll, as waiting is refused", func(w *world) { w.stream, w.wait = "500", "500" }, byPoll, true},
		{"a stream that says nothing", func(w *world) { w.stream = "mute" }, byLongPoll, false},
		{"a server that goes and comes back", nil, comesBack, true},
		{"an order of before", func(w *world) { w.status = "PAID" }, atOnce, false},
		{"a payment that is begun anew on another page", nil, begunAnew, false},
		{"the same by long poll", func(w *world) { w.stream = "cut" }, begunAnewByPoll, false},
		{"another order on the same page", nil, another, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, element)
			if c.set != nil {
				c.set(w)
			}
			b := b.For(t)
			b.Complaints()
			b.Requests()
			p := &page{t, b, w}
			p.open()
			c.play(p)
			for _, complaint := range p.Complaints() {
				if !c.loud || strings.Contains(complaint, "Policy") {
					t.Error(complaint)
				}
			}
			for _, address := range p.Requests() {
				if !strings.HasPrefix(address, p.shop.URL) && !strings.HasPrefix(address, p.api.URL) && !strings.HasPrefix(address, "data:") {
					t.Errorf("asked elsewhere: %s", address)
				}
			}
		})
	}
}

func byStream(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.become("PAID")
	p.shows("PAID", paid)
	p.rests()
	p.told("PAYMENT_PENDING", "PAID")
	if diff := cmp.Diff([]string{"stream"}, p.requests()); diff != "" {
		p.Errorf("requests (-want +got)\n%s", diff)
	}
}

func byLongPoll(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.eventually("wait", 1)
	p.become("PAID")
	p.shows("PAID", paid)
	p.rests()
	p.told("PAYMENT_PENDING", "PAID")
	if diff := cmp.Diff([]string{"stream", "ask", "wait"}, p.requests()); diff != "" {
		p.Errorf("requests (-want +got)\n%s", diff)
	}
}

func byPoll(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.eventually("ask", 3) // once for the tag, then again and again
	p.become("PAID")
	p.shows("PAID", paid)
	p.rests()
	p.told("PAYMENT_PENDING", "PAID")
	if diff := cmp.Diff([]string{"stream", "ask", "wait", "ask", "ask"}, p.requests()[:5]); diff != "" {
		p.Errorf("requests (-want +got)\n%s", diff)
	}
}

func comesBack(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.set(func() { p.away = true })
	lost := `document.querySelector("tillhook-order").shadowRoot.querySelector("[part=note]").textContent`
	p.Until("it says that there is no connection", lost+` === "No connection, trying again …"`)
	if got := p.eval(`document.querySelector("tillhook-order").getAttribute("status")`); got != "PAYMENT_PENDING" {
		p.Errorf("without a connection it shows %s", got)
	}
	p.set(func() { p.away, p.status = false, "EXPIRED" })
	p.shows("EXPIRED", expired)
	p.Until("it says so no more", lost+` === ""`)
	p.asksOnce()
	p.told("PAYMENT_PENDING", "EXPIRED")

	// The next time the browser notices that the network is back.
	p.set(func() { p.status = "PAYMENT_PENDING" })
	p.open()
	p.shows("PAYMENT_PENDING", waiting)
	p.set(func() { p.away = true })
	p.Until("it says that there is no connection", lost+` !== ""`)
	p.set(func() { p.away = false })
	streams := p.count("stream")
	p.Do("the network being back", chromedp.Evaluate(`window.dispatchEvent(new Event("online"))`, nil))
	p.eventually("stream", streams+1)
	p.become("PAID")
	p.shows("PAID", paid)
	p.rests()
}

func atOnce(p *page) {
	p.shows("PAID", paid)
	p.rests()
	p.told("PAID")
}

func another(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.Do("changing the token", chromedp.Evaluate(`document.querySelector("tillhook-order").setAttribute("token", "ot_wrong")`, nil))
	p.shows("UNKNOWN", "This order can’t be shown. Is the link complete?")
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	p.Do("changing it back", chromedp.Evaluate(`document.querySelector("tillhook-order").setAttribute("token", "`+token+`")`, nil))
	p.shows("PAYMENT_PENDING", waiting)
	p.Do("taking it off the page", chromedp.Evaluate(`document.querySelector("tillhook-order").remove()`, nil))
	p.Until("nothing is under way", `probe.streams.size === 0`)
}

// eventually waits until so many requests of a kind have come.
func (p *page) eventually(kind string, n int) {
	p.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); p.count(kind) < n; <-tick.C {
		if time.Now().After(deadline) {
			p.Fatalf("no %d requests of the kind %s: %q", n, kind, p.requests())
		}
	}
}

// A shop's own words, in its language; states that only the restaurant knows;
// what a screen reader and somebody who is sensitive to movement need.
func TestWordsAndLooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `<h1>Bestellung</h1><tillhook-order order="`+orderID+`" token="`+token+`" text-paid="Bezahlt, danke!" text-payment-pending="Wir warten auf Ihre Zahlung …"></tillhook-order>`)
	p := &page{t, browsertest.Open(t), w}
	p.open()
	p.shows("PAYMENT_PENDING", "Wir warten auf Ihre Zahlung …")
	inner := `document.querySelector("tillhook-order").shadowRoot.querySelector("[part=box]")`
	if got := p.eval(inner + `.getAttribute("role") + " " + ` + inner + `.getAttribute("aria-live")`); got != "status polite" {
		t.Errorf("to a screen reader it is %q", got)
	}
	moves := `getComputedStyle(` + inner + `.querySelector("b")).animationName`
	if got := p.eval(moves); got != "wait" {
		t.Errorf("while it waits its animation is %q", got)
	}
	p.Media("prefers-reduced-motion", "reduce")
	if got := p.eval(moves); got != "none" {
		t.Errorf("where movement is not wanted its animation is %q", got)
	}
	back := `getComputedStyle(` + inner + `).backgroundColor`
	p.Media("prefers-color-scheme", "light")
	light := p.eval(back)
	p.Media("prefers-color-scheme", "dark")
	if dark := p.eval(back); dark == light {
		t.Errorf("by night as by day: %s", dark)
	}
	p.Do("giving it another colour", chromedp.Evaluate(`document.querySelector("tillhook-order").style.setProperty("--tillhook-back", "rgb(1, 2, 3)")`, nil))
	if got := p.eval(back); got != "rgb(1, 2, 3)" {
		t.Errorf("the shop's own colour is %s", got)
	}
	p.become("PAID")
	p.shows("PAID", "Bezahlt, danke!")
	for status, text := range map[string]string{"PAYMENT_FAILED": "The payment has failed.", "EXPIRED": "The time to pay has run out.",
		"REFUNDED": "Your money is on its way back.", "OUT_FOR_DELIVERY": "Out for delivery"} {
		p.become(status)
		p.open()
		p.shows(status, text)
		p.Shoot("widget-" + strings.ToLower(status))
	}
	if all := p.Complaints(); len(all) > 0 {
		t.Error(strings.Join(slices.Compact(all), "\n"))
	}
}

// A restaurant's own states are words too, however it writes them, and what is
// none is shown for what it is: it is never markup, nor a name of JavaScript's.
func TestARestaurantsOwnStatesAreWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strings.Replace(element, "></", ` text-ready-for-pickup="Abholbereit"></`, 1))
	p := &page{t, browsertest.Open(t), w}
	for status, text := range map[string]string{
		"PREPARING": "Preparing", "_ON_ITS__WAY_": "On its  way", "ready": "Ready", "At the till": "At the till", "In_Küche": "In Küche",
		"ÜBERGEBEN_1": "Übergeben 1", "READY_FOR_PICKUP": "Abholbereit", "___": "___", "42": "42", "🍕_FERTIG": "🍕 fertig",
		"toString": "ToString", "__proto__": "Proto", "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
	} {
		p.become(status)
		p.open()
		p.shows(status, text)
	}
	if all := p.Complaints(); len(all) > 0 {
		t.Error(strings.Join(slices.Compact(all), "\n"))
	}
}

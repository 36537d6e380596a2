package widget_test

import "github.com/chromedp/chromedp"

// The customer sees that the time has run out, and pays on another page.
func begunAnew(p *page) {
	for _, ended := range []struct{ status, words string }{{"EXPIRED", expired}, {"PAYMENT_FAILED", "The payment has failed."}} {
		p.shows("PAYMENT_PENDING", waiting)
		p.become(ended.status)
		p.shows(ended.status, ended.words)
		p.asksOnce()
		p.become("PAYMENT_PENDING")
		p.wake()
	}
	p.shows("PAYMENT_PENDING", waiting)
	p.become("PAID")
	p.shows("PAID", paid)
	p.rests()
	p.told("PAYMENT_PENDING", "EXPIRED", "PAYMENT_PENDING", "PAYMENT_FAILED", "PAYMENT_PENDING", "PAID")
}

func begunAnewByPoll(p *page) {
	p.shows("PAYMENT_PENDING", waiting)
	p.become("EXPIRED")
	p.shows("EXPIRED", expired)
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	p.become("PAID") // before she looks again
	p.wake()
	p.shows("PAID", paid)
	p.rests()
	p.told("PAYMENT_PENDING", "EXPIRED", "PAID")
}

// asksOnce wants the widget to wait for nothing, but to ask how it is by now when
// the customer comes back to the page.
func (p *page) asksOnce() {
	p.Helper()
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	before := p.count("stream")
	p.wake()
	p.eventually("stream", before+1)
	p.Until("nothing is under way", `probe.timers.size === 0 && probe.streams.size === 0`)
	if after := p.count("stream"); after != before+1 {
		p.Errorf("asked %d times, want once", after-before)
	}
}

// wake is the customer's coming back to the tab.
func (p *page) wake() {
	p.Helper()
	p.Do("waking it", chromedp.Evaluate(`document.dispatchEvent(new Event("visibilitychange"))`, nil))
}

package app_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tillhook/pkg/stripetest"
)

// Whoever uses a keyboard or a screen reader finds their way on every page, by
// what is in its HTML.
func TestPanelPagesAreForEverybody(t *testing.T) {
	t.Parallel()
	p := start(t, parts{}).panel()
	paid, failing := p.newPayments("a", 1)[0], p.newPayments("b", 1)[0]
	p.exec(`UPDATE "Payment" SET amount = 9900 WHERE id = $1`, failing.PaymentID)
	for _, e := range []stripetest.Event{p.factory.CheckoutCompleted(paid), p.factory.ChargeSucceeded(paid)} {
		p.deliver(paid, e)
	}
	p.deliver(failing, p.factory.CheckoutCompleted(failing))
	p.secrets["b"] = "whsec_wrong"
	p.deliver(failing, p.factory.ChargeSucceeded(failing))
	p.eventually("all is worked off", func() bool {
		return p.rows(`status = 'PROCESSING'`) == "0" && p.rows(`status = 'FAILED'`) == "1" && p.rows(`status = 'VERIFICATION_FAILED'`) == "1"
	})
	failed := p.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'FAILED'`)
	titles := map[string]string{}
	for _, email := range []string{"anna@example.com", "vito@example.com"} {
		b := p.signedIn(email)
		for path, want := range map[string]string{
			"/admin": "Overview", "/admin/events": "Events", "/admin/events?type=none": "Events", "/admin/events?status=x": "Events",
			"/admin/events/" + failed: "checkout.session.completed", "/admin/orders": "Orders", "/admin/orders?status=stuck": "Orders", "/admin/orders?restaurant=none": "Orders",
			"/admin/orders/" + paid.OrderID: "Order " + paid.OrderID, "/admin/settings/payments": "Restaurants", "/admin/settings/payments?q=none": "Restaurants",
			"/admin/settings/payments/slug-a": "Restaurant a", "/admin/settings/payments/slug-b": "Restaurant b", "/admin/queues": "Queues",
			"/admin/audit": "Audit", "/admin/audit?restaurant=slug-b": "Audit", "/admin/nowhere": "Not Found", "/admin/orders/none": "Not Found",
		} {
			b.open(path)
			titles[path] = want
			b.reads(path, want)
		}
	}
	stranger := p.browser()
	stranger.open("/admin/signin")
	stranger.reads("/admin/signin", "Sign in")
	stranger.send("/admin/signin", url.Values{"email": {"x@example.com"}, "password": {"x"}})
	stranger.reads("/admin/signin, refused", "Sign in")
	if len(titles) < 15 {
		t.Errorf("only %d pages", len(titles))
	}
}

// reading is what was found on a page.
type reading struct {
	faults, described []string
	ids, count        map[string]int
	headings          []int
}

func (r *reading) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// reads walks through the page that is open.
func (b *browser) reads(path, title string) {
	b.Helper()
	root, err := html.Parse(strings.NewReader(b.page))
	if err != nil {
		b.Fatal(err)
	}
	r := &reading{ids: map[string]int{}, count: map[string]int{}}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			r.element(n, title)
		}
	}
	for _, name := range []string{"h1", "main", "title"} {
		if r.count[name] != 1 {
			r.fault("%d of %s", r.count[name], name)
		}
	}
	if len(r.headings) == 0 || r.headings[0] != 1 {
		r.fault("the headings begin with level %v", r.headings)
	}
	for i := 1; i < len(r.headings); i++ {
		if r.headings[i] > r.headings[i-1]+1 {
			r.fault("heading level %d comes after %d", r.headings[i], r.headings[i-1])
		}
	}
	for id, n := range r.ids {
		if n > 1 {
			r.fault("%d elements are called %s", n, id)
		}
	}
	for _, id := range r.described {
		if r.ids[id] == 0 {
			r.fault("nothing is called %s, which describes something", id)
		}
	}
	if b.status != 200 && !strings.Contains(b.page, `role="alert"`) {
		r.fault("an error that nobody is told of")
	}
	if len(r.faults) > 0 {
		slices.Sort(r.faults)
		b.Errorf("%s:\n  %s", path, strings.Join(slices.Compact(r.faults), "\n  "))
	}
}

func (r *reading) element(n *html.Node, title string) {
	r.count[n.Data]++
	if id := attr(n, "id"); id != "" {
		r.ids[id]++
	}
	r.described = append(r.described, strings.Fields(attr(n, "aria-describedby"))...)
	if level := strings.Index("h1h2h3h4", n.Data); len(n.Data) == 2 && level >= 0 {
		r.headings = append(r.headings, level/2+1)
	}
	for _, rule := range []struct {
		elements, says string
		holds          bool
	}{
		{"html", "the language is not named", attr(n, "lang") == "en"},
		{"title", "the title is " + words(n), words(n) == title+" · tillhook"},
		{"img", "a picture without alt", has(n, "alt")},
		{"svg", "a drawing that is read out", attr(n, "aria-hidden") == "true"},
		{"iframe", "a frame without a title", attr(n, "title") != ""},
		{"input select textarea", "no label for " + attr(n, "name"), attr(n, "type") == "hidden" || labelled(n)},
		{"button a th", "a " + n.Data + " without words", words(n) != "" || attr(n, "aria-label") != "" || labelledInside(n)},
		{"th", "a column without scope: " + words(n), attr(n, "scope") != ""},
		{"style", "a style sheet in the page", false},
		{"script", "a script in the page", n.FirstChild == nil},
	} {
		if !rule.holds && slices.Contains(strings.Fields(rule.elements), n.Data) {
			r.fault("%s", rule.says)
		}
	}
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			r.fault("inline %s on %s", a.Key, n.Data)
		}
		if a.Key == "tabindex" && a.Val != "0" && a.Val != "-1" {
			r.fault("a tabindex of %s", a.Val)
		}
	}
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// words is the text inside.
func words(n *html.Node) string {
	var all []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			all = append(all, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(all, " ")
}

// labelled reports whether a field says what it is for.
func labelled(n *html.Node) bool {
	if attr(n, "aria-label") != "" {
		return true
	}
	for up := range n.Ancestors() {
		if up.Data == "label" && words(up) != "" {
			return true
		}
	}
	return false
}

func labelledInside(n *html.Node) bool {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && attr(d, "aria-label") != "" {
			return true
		}
	}
	return false
}

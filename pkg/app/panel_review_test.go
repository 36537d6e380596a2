package app_test

import (
	"fmt"
	"html"
	"regexp"
	"testing"
)

// Other money than was asked for waits for a human, who finds it from the
// overview, until the order is settled.
func TestPanelLeadsToPaymentsToDecideOn(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	wrong := pay
	wrong.Amount = 100
	p.deliver(wrong, p.factory.CheckoutCompleted(wrong))
	p.eventually("it is seen", func() bool { return p.states(pay) == "PAYMENT_PENDING / REVIEW" })
	b := p.panel().signedIn("vito@example.com")
	counts := func(want string) (link string) {
		p.eventually(want+" on the overview", func() bool {
			b.open("/admin")
			n, to := b.tile("Payments to decide on")
			link = to
			return n == want
		})
		return link
	}
	link := counts("1")
	b.open(link)
	b.shows(200, pay.OrderID, "what came is not what the order asked for: 1.00 EUR")
	b.open("/admin/orders/" + pay.OrderID)
	b.shows(200, "A human must decide: what came is not what the order asked for: 1.00 EUR")
	p.exec(`UPDATE "Order" SET status = 'PAID' WHERE id = $1`, pay.OrderID)
	p.exec(`UPDATE "Payment" SET status = 'COMPLETED' WHERE "orderId" = $1`, pay.OrderID)
	counts("0")
	b.open(link)
	b.shows(200, "No payment waits for a human.")
}

var (
	listedOrder = regexp.MustCompile(`<a href="/admin/orders/([^"?]+)" title`)
	nextPage    = regexp.MustCompile(`<a class="next" href="([^"]+)" rel="next">(\w+) →`)
)

// However many payments wait for a human, each one of them is on a page, the one
// that waits for the longest first: also while they are being decided on.
func TestPanelPagesThroughPaymentsToDecideOn(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	p.newPayments("a", 1)
	const many = 120 // of which a page has 50
	p.exec(`INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency)
		SELECT 'wrong-' || n, "restaurantId", 2500, 'eur' FROM "Order" CROSS JOIN generate_series(1, $1) n`, many)
	p.exec(`INSERT INTO "Payment" (id, "orderId", status, amount, currency, facts)
		SELECT 'pay-' || n, 'wrong-' || n, 'REVIEW', 2500, 'eur', '{"evidence":[{"amount":100,"currency":"eur"}]}' FROM generate_series(1, $1) n`, many)
	p.exec(`INSERT INTO "OrderTransition" ("orderId", "paymentId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
		SELECT 'wrong-' || n, 'pay-' || n, 'PAYMENT_PENDING', 'PAYMENT_PENDING', 'PENDING', 'REVIEW', 'checkout.session.completed'
		FROM generate_series(1, $1) n ORDER BY n`, many)
	b := p.panel().signedIn("vito@example.com")
	var sizes []int
	at, next := "/admin/orders?status=review&restaurant=slug-a", 1
	for at != "" {
		page := b.open(at)
		b.shows(200, "what came is not what the order asked for: 1.00 EUR")
		listed := listedOrder.FindAllStringSubmatch(page, -1)
		sizes = append(sizes, len(listed))
		for _, m := range listed {
			if want := fmt.Sprintf("wrong-%d", next); m[1] != want {
				t.Fatalf("page %d has %s, want %s", len(sizes), m[1], want)
			}
			next++
		}
		at = ""
		if m := nextPage.FindStringSubmatch(page); m != nil {
			at = html.UnescapeString(m[1])
			if m[2] != "Younger" {
				t.Errorf("the next page is said to be %s", m[2])
			}
		}
		p.exec(`UPDATE "Payment" SET status = 'COMPLETED' WHERE id IN ('pay-1', 'pay-50')`) // the last one of the first page, too
	}
	if fmt.Sprint(sizes) != "[50 50 20]" {
		t.Errorf("the pages have %v orders, want [50 50 20]", sizes)
	}
}

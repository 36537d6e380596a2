package app_test

import "testing"

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

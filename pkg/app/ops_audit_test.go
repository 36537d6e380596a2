package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/app"
	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

// auditAnswer is the part of an audit's JSON that tests look at.
type auditAnswer struct {
	Committed                                         bool
	Orders, Unfinished, Events, Count, ByHand, Mended int
	Left                                              []string
	Received, Refunded                                map[string]int64
	Differences                                       []order.Difference
}

// audit runs an audit, and answers its exit code, too.
func (p *product) audit(args ...string) (a auditAnswer, code int) {
	p.Helper()
	out, err := p.ops("", append([]string{"audit", "-o", "json"}, args...)...)
	_, answer, _ := strings.Cut("\n"+out, "\n{") // after the progress
	if jsonErr := json.NewDecoder(strings.NewReader("{" + answer)).Decode(&a); jsonErr != nil {
		p.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	return a, app.ExitCode(err)
}

// Every lifecycle is told through the whole product; an audit agrees. Then
// somebody changes what is stored, in every way; the audit tells, and mends.
func TestAuditFindsAndMends(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	var pays []stripetest.Payment
	var received, refunded int64
	for _, l := range stripetest.Lifecycles() {
		pay := p.newPayments("a", 1)[0]
		events := l.Events(p.factory, pay)
		if l.Payment.Settled() {
			received += pay.Amount
			refunded += stripetest.Back(pay, l.Refunded)
		}
		if l.Second != nil {
			again := p.secondPayment(pay)
			events = append(events, l.Second.Events(p.factory, again)...)
			if l.Second.Payment.Settled() {
				received += again.Amount
				refunded += stripetest.Back(again, l.Second.Refunded)
			}
		}
		for _, e := range p.factory.Shuffle(events) {
			if got := p.deliver(pay, e); got.status != 200 {
				t.Fatalf("%s: %d %s", l.Name, got.status, got.body)
			}
		}
		pays = append(pays, pay)
	}
	p.deliver(pays[0], p.factory.Other(pays[0], "customer.created"))
	p.eventually("all are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })

	a, code := p.audit()
	want := auditAnswer{
		Orders: len(pays), Events: int(p.count("true")), Differences: []order.Difference{},
		Received: map[string]int64{"eur": received}, Refunded: map[string]int64{"eur": refunded},
	}
	if diff := cmp.Diff(want, a); diff != "" || code != 0 {
		t.Fatalf("exit %d (-want +got)\n%s", code, diff)
	}
	if a, code := p.audit("--restaurant", "slug-b"); a.Orders != 0 || a.Events != 0 || code != 0 {
		t.Errorf("of another restaurant: exit %d, %+v", code, a)
	}
	if a, code := p.audit("--until", "1h"); a.Orders != 0 || a.Events != 0 || code != 0 {
		t.Errorf("of an hour ago: exit %d, %+v", code, a)
	}

	// What each statement changes is an order of its own, but for the last two.
	before := p.tables()
	for i, tamper := range []string{
		`UPDATE "Order" SET status = 'EXPIRED' WHERE id = $1 AND status = 'PAID'`,
		`UPDATE "Payment" SET status = 'REVIEW' WHERE "orderId" = $1`,
		`UPDATE "Payment" SET facts = '{}', "amountRefunded" = 3 WHERE "orderId" = $1`,
		`DELETE FROM "PaymentObject" WHERE "objectId" = (SELECT "providerPaymentId" FROM "Payment" WHERE "orderId" = $1)`,
		`UPDATE "WebhookEvent" SET status = 'FAILED', outcome = NULL, "lastError" = 'x' WHERE "orderId" = $1`,
		`UPDATE "WebhookEvent" SET "orderId" = NULL WHERE "orderId" = $1`,
	} {
		if r, err := p.db.Exec(tamper, pays[i].OrderID); err != nil {
			t.Fatal(err)
		} else if n, err := r.RowsAffected(); err != nil || n == 0 {
			t.Fatalf("%s changed nothing, %v", tamper, err)
		}
	}
	tampered := p.tables()
	a, code = p.audit()
	touched := map[string]bool{}
	for _, d := range a.Differences {
		touched[d.OrderID] = true
	}
	for _, pay := range pays[:6] {
		if !touched[pay.OrderID] {
			t.Errorf("%s was changed, and the audit doesn't say so", pay.OrderID)
		}
	}
	if code != 1 || len(touched) != 6 || a.Count != len(a.Differences) {
		t.Errorf("exit %d, differences in %v: %+v", code, touched, a.Differences)
	}
	if _, code := p.audit("--repair"); code != 1 || p.tables() != tampered {
		t.Errorf("the preview exits with %d, and leaves other tables:\n%s", code, cmp.Diff(tampered, p.tables()))
	}
	a, code = p.audit("--repair", "--commit")
	if code != 0 || a.Mended != a.Count {
		t.Errorf("repairing: exit %d, %+v", code, a)
	}
	p.eventually("what is replayed is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if a, code := p.audit(); code != 0 || len(a.Differences) > 0 {
		t.Errorf("afterwards: exit %d, %+v", code, a.Differences)
	}
	if diff := cmp.Diff(before, p.tables()); diff != "" {
		t.Error("the tables are not what they were (-want +got)\n", diff)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "AuditEntry" WHERE action = 'audit' AND actor LIKE 'alice@%' AND target LIKE 'order-%'`); n == "0" {
		t.Error("nothing in the audit says who recomputed")
	}
}

// What somebody holds is left for another time. The rest is mended, and told, and so
// is what was mended before an error.
func TestAuditMendsAroundWhatIsHeld(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pays := p.newPayments("a", 8)
	for _, pay := range pays {
		p.deliver(pay, p.factory.CheckoutCompleted(pay))
	}
	p.eventually("all are worked off", func() bool { return p.rows(`status = 'COMPLETED'`) == "8" })
	do := func(statement string, args ...any) {
		t.Helper()
		if _, err := p.db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	do(`UPDATE "Order" SET status = 'EXPIRED' WHERE id <> $1 AND id <> $2`, pays[6].OrderID, pays[7].OrderID)
	do(`UPDATE "WebhookEvent" SET status = 'FAILED', outcome = NULL, "lastError" = 'x' WHERE "orderId" IN ($1, $2)`, pays[6].OrderID, pays[7].OrderID)
	held := p.scalar(`SELECT id FROM "WebhookEvent" WHERE "orderId" = $1`, pays[7].OrderID)
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for statement, id := range map[string]string{
		`SELECT FROM "Order" WHERE id = $1 FOR UPDATE`: pays[3].OrderID, `SELECT FROM "WebhookEvent" WHERE id = $1 FOR UPDATE`: held,
	} {
		if _, err := tx.Exec(statement, id); err != nil {
			t.Fatal(err)
		}
	}
	a, code := p.audit("--repair", "--commit")
	if diff := cmp.Diff([]string{pays[3].OrderID, held}, a.Left); diff != "" || code != 1 || a.Count != 8 || a.Mended != 6 {
		t.Errorf("exit %d, %d of %d mended, left (-want +got)\n%s", code, a.Mended, a.Count, diff)
	}
	if got := p.scalar(`SELECT string_agg(id, ' ') FROM "Order" WHERE status = 'EXPIRED'`); got != pays[3].OrderID {
		t.Errorf("EXPIRED is %s", got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	p.eventually("what is replayed is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })

	do(`UPDATE "Order" SET status = 'EXPIRED' WHERE id = $1`, pays[0].OrderID)
	do(`ALTER TABLE "Order" ADD CONSTRAINT unwritable CHECK (id <> '` + pays[3].OrderID + `') NOT VALID`)
	a, code = p.audit("--repair", "--commit")
	if code != 1 || a.Count != 3 || a.Mended != 1 || p.states(pays[0]) != "PAID / COMPLETED" {
		t.Errorf("before an error: exit %d, %d of %d mended, the first is %s", code, a.Mended, a.Count, p.states(pays[0]))
	}
	do(`ALTER TABLE "Order" DROP CONSTRAINT unwritable`)
	if a, code := p.audit("--repair", "--commit"); code != 0 || a.Mended != 2 || len(a.Left) > 0 {
		t.Errorf("afterwards: exit %d, %+v", code, a)
	}
}

// tables is every order, payment and link as text.
func (p *product) tables() string {
	p.Helper()
	return p.scalar(`SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		SELECT concat_ws(' ', o.id, o.status, p.id, p.status, p."providerPaymentId", p."amountRefunded", p.facts) AS line
		FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id
		UNION ALL SELECT concat_ws(' ', "restaurantId", "objectId", "paymentId") FROM "PaymentObject"
		UNION ALL SELECT concat_ws(' ', id, status, "orderId") FROM "WebhookEvent") AS lines`)
}

// What a terminal shows.
func TestOpsAuditShows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("roma", "")
	d.shows(0, `
Compared 0 orders with 0 events in SECONDS.
  received     nothing
  refunded     nothing
  differences  0
`, "", "audit", "--restaurant", "roma")
	for i, status := range []string{"PAID", "PAYMENT_PENDING", "PAYMENT_PENDING"} {
		id := fmt.Sprint("order-", i)
		d.exec(`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency) VALUES ($1, 'roma', $2, 2500, 'eur')`, id, status)
		d.exec(`INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
			VALUES ('pay-' || $1, $1, 'STRIPE', 'PENDING', 'cs_' || $1, 2500, 'eur')`, id)
	}
	d.exec(`UPDATE "Payment" SET facts = '{"session": "cs_order-1", "evidence": [{"amount": 2500, "currency": "eur"}]}' WHERE "orderId" = 'order-1'`)
	d.exec(`UPDATE "Payment" SET "amountRefunded" = 9 WHERE "orderId" = 'order-2'`)
	d.shows(1, `
Compared 3 orders with 0 events in SECONDS.
  received     nothing
  refunded     0.09 EUR
  differences  4
  by hand      1, settled by an operator and left so

order-0 of roma
  order is PAID by hand, its payments make it PAYMENT_PENDING

order-1 of roma
  order is PAYMENT_PENDING, its payments make it PAID
  payment pay-order-1: no stored event says what is recorded: session
  cs_order-1, 25.00 EUR received
  payment pay-order-1: payment is PENDING, its facts make it COMPLETED

order-2 of roma
  payment pay-order-2: amountRefunded is 9, its facts make it 0

Would recompute 2 orders, would replay 0 events.

Nothing was changed. To do it, add --commit.
ops: 4 differences
`, "", "audit", "--repair")
	if _, code := d.run("", "audit", "--commit"); code != 2 {
		t.Errorf("--commit without --repair: exit %d", code)
	}
	if out, code := d.run("", "audit", "--repair", "--commit"); code != 1 || !strings.Contains(out, "ops: 1 difference\n") {
		t.Errorf("what nobody can explain is left: exit %d, %s", code, out)
	}
	if _, code := d.run("", "audit", "--strict", "--until", "1h"); code != 0 {
		t.Errorf("nothing is that old: exit %d", code)
	}
}

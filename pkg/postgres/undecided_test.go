package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A payment is listed for as long as a human must decide on it, and no longer.
func TestUndecidedPayments(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'slug-r'), ('s', 'S', 'slug-s')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency)
		SELECT o, CASE o WHEN 'elsewhere' THEN 's' ELSE 'r' END, 2500, 'eur' FROM unnest(ARRAY['wrong', 'twice', 'elsewhere']) o`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", status, amount, currency, facts) VALUES
		('p1', 'wrong', 'REVIEW', 2500, 'eur', '{"evidence":[{"amount":100,"currency":"eur"}]}'),
		('p2', 'twice', 'COMPLETED', 2500, 'eur', '{}'), ('p3', 'twice', 'COMPLETED', 2500, 'eur', '{}'),
		('p4', 'elsewhere', 'REVIEW', 2500, 'eur', '{"free":true}')`)
	exec(t, d, `INSERT INTO "OrderTransition" ("orderId", "paymentId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason) VALUES
		('wrong', 'p1', 'PAYMENT_PENDING', 'PAYMENT_PENDING', 'PENDING', 'REVIEW', 'checkout.session.completed'),
		('twice', 'p2', 'PAYMENT_PENDING', 'PAID', 'PENDING', 'COMPLETED', 'checkout.session.completed'),
		('twice', 'p3', 'PAID', 'PAID', 'PENDING', 'COMPLETED', 'second payment of a paid order: refund one'),
		('elsewhere', 'p4', 'PAYMENT_PENDING', 'PAYMENT_PENDING', 'PENDING', 'REVIEW', 'checkout.session.completed')`)
	var last int64 // the transition at which a page ends
	after := func(when, restaurant string, after int64, limit int, want ...string) {
		t.Helper()
		all, err := d.UndecidedPayments(t.Context(), restaurant, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range all {
			got, last = append(got, u.Slug+" "+u.ID+": "+u.Why), u.TransitionID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
	}
	undecided := func(when, restaurant string, limit int, want ...string) {
		t.Helper()
		after(when, restaurant, 0, limit, want...)
	}
	const (
		wrong     = "slug-r p1: what came is not what the order asked for: 1.00 EUR"
		twice     = "slug-r p3: second payment of a paid order: refund one"
		elsewhere = "slug-s p4: what came is not what the order asked for: nothing to pay"
	)
	undecided("all", "", 10, wrong, twice, elsewhere)
	undecided("of one restaurant", "s", 10, elsewhere)
	undecided("the oldest one", "r", 1, wrong)
	after("the next one of the restaurant", "r", last, 1, twice)
	after("none of it is left", "r", last, 1)
	after("but of another one", "", last, 1, elsewhere)
	exec(t, d, `UPDATE "Payment" SET status = 'PARTIALLY_REFUNDED' WHERE id = 'p2'`)
	undecided("a part refunded", "", 10, wrong, twice, elsewhere)
	exec(t, d, `UPDATE "Payment" SET status = 'REFUNDED' WHERE id = 'p2'`)
	undecided("the first one refunded", "", 10, wrong, elsewhere)
	exec(t, d, `UPDATE "Payment" SET status = 'COMPLETED' WHERE id = 'p2'`)
	exec(t, d, `UPDATE "Payment" SET status = 'REFUNDED' WHERE id = 'p3'`)
	undecided("the second one refunded", "", 10, wrong, elsewhere)
	exec(t, d, `UPDATE "Payment" SET status = 'COMPLETED' WHERE id = 'p1'`)
	undecided("settled by hand", "", 10, elsewhere)
}

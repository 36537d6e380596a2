package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// leftovers are the stories and links of payments and orders that are not there.
func leftovers(t *testing.T, d *postgres.DB) int {
	t.Helper()
	return get[int](t, d, `SELECT
		(SELECT count(*) FROM "OrderTransition" t WHERE NOT EXISTS (SELECT FROM "Order" o WHERE o.id = t."orderId")
			OR t."paymentId" IS NOT NULL AND NOT EXISTS (SELECT FROM "Payment" p WHERE p.id = t."paymentId"))
		+ (SELECT count(*) FROM "PaymentObject" l WHERE NOT EXISTS (SELECT FROM "Payment" p WHERE p.id = l."paymentId"))`)
}

// The ordering application deletes what nobody needs any more: their stories and
// links go with the payments and the orders, and nothing else does.
func TestWhoGoesTakesItsStoryAndItsLinksAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('second', 'o', 'cs_test_2', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('stays', 'r', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('stays', 'stays', 'cs_test_3', 2500, 'usd')`)
	w.settle(w.event("1", "r", linked),
		w.event("2", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_2", Expired: true}}),
		w.event("3", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_3", Expired: true}}))
	rows := func() string {
		return get[string](t, w.DB, `SELECT concat_ws(' | ',
			(SELECT string_agg("orderId" || '/' || "paymentId", ' ' ORDER BY id) FROM "OrderTransition"),
			(SELECT string_agg("objectId", ' ' ORDER BY "objectId") FROM "PaymentObject"))`)
	}
	for _, step := range []struct{ statement, want string }{
		{`SELECT`, "o/p o/second stays/stays | cs_test_1 cs_test_2 cs_test_3 pi_1"},
		{`DELETE FROM "Payment" WHERE id = 'second'`, "o/p stays/stays | cs_test_1 cs_test_3 pi_1"},
		{`INSERT INTO "OrderTransition" ("orderId", "orderFrom", "orderTo", reason) VALUES ('o', 'PAID', 'PAID', 'of no payment')`,
			"o/p stays/stays | cs_test_1 cs_test_3 pi_1"},
		{`DELETE FROM "Payment" WHERE id = 'p'`, "stays/stays | cs_test_3"},
		{`DELETE FROM "Order" WHERE id = 'o'`, "stays/stays | cs_test_3"},
	} {
		exec(t, w.DB, step.statement)
		if got := rows(); got != step.want {
			t.Errorf("after %s:\n%s, want\n%s", step.statement, got, step.want)
		}
	}
	if n := leftovers(t, w.DB); n != 0 {
		t.Errorf("%d rows of nobody are left", n)
	}
}

// Who empties the tables empties those of the stories and links, too: a link to
// nobody would keep the next payment of its session from being linked.
func TestWhoeverTruncatesLeavesNoStoriesAndLinks(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		`TRUNCATE "Order" CASCADE`, `TRUNCATE "Payment" CASCADE`,
		`TRUNCATE "Order", "Payment", "PaymentObject", "OrderTransition" CASCADE`,
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.settle(w.event("1", "r", linked))
			exec(t, w.DB, statement)
			if n := leftovers(t, w.DB); n != 0 {
				t.Errorf("%d rows of nobody are left", n)
			}
		})
	}
}

// A payment that has changed its order leaves its story there. That is in nobody's
// way back to the schema before.
func TestTheWayBackFromStoriesOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle(w.event("1", "r", linked))
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'r', 2500, 'usd')`)
	exec(t, w.DB, `UPDATE "Payment" SET "orderId" = 'o2'`)
	exec(t, w.DB, `DELETE FROM "Payment"`)
	for get[int](t, w.DB, `SELECT max(version_id) FROM goose_db_version`) >= 19 {
		if _, err := w.MigrateDown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := leftovers(t, w.DB); n != 0 {
		t.Errorf("%d rows of nobody are left", n)
	}
}

// What the ordering application puts in a payment's place is led to, though one
// statement does both.
func TestAPaymentIsReplacedInOneStatement(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"p", "p2"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			exec(t, w.DB, `WITH was AS (DELETE FROM "Payment" RETURNING "orderId", "providerPaymentId")
				INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency)
				SELECT '`+id+`', "orderId", "providerPaymentId", 2500, 'usd' FROM was`)
			if r := w.settle(w.event("1", "r", linked))[0]; r.Err != nil {
				t.Error(r.Err)
			}
			if got, want := w.states(), "PAID COMPLETED pi_1"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// The ordering application's role may have no rights on what is not its own, and
// gets none: a table of its own is not taken for the product's.
func TestWhoMayDeleteAPaymentNeedsNoOtherRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle(w.event("1", "r", linked))
	tx, err := w.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // the role, too
	for _, statement := range []string{
		`CREATE ROLE tillhook_test_ordering`, `GRANT SELECT, DELETE ON "Order", "Payment" TO tillhook_test_ordering`,
		`SET LOCAL ROLE tillhook_test_ordering`,
		`CREATE TEMPORARY TABLE "OrderTransition" ("orderId" text, "paymentId" text)`,
		`DELETE FROM "Payment"`, `DELETE FROM "Order"`, `RESET ROLE`, `DROP TABLE pg_temp."OrderTransition"`,
	} {
		if _, err := tx.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	var left int
	if err := tx.QueryRow(`SELECT (SELECT count(*) FROM "OrderTransition") + (SELECT count(*) FROM "PaymentObject")`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows of nobody are left, %v", left, err)
	}
}

// What deletes stories and links with the rights of who owns them does so for the
// product's own tables: nobody can have it do that for a table of his.
func TestNobodyElseCanHaveStoriesAndLinksDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, function := range []string{"tillhook_payment_gone", "tillhook_order_gone", "tillhook_all_gone"} {
		tx, err := w.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() // the role, too
		for _, statement := range []string{
			`CREATE ROLE tillhook_test_stranger_` + function, `SET LOCAL ROLE tillhook_test_stranger_` + function,
			`CREATE TEMPORARY TABLE his (id text, "orderId" text)`,
		} {
			if _, err := tx.Exec(statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		var refused *pq.Error
		_, err = tx.Exec(`CREATE TRIGGER his AFTER DELETE ON his FOR EACH ROW EXECUTE FUNCTION ` + function + `()`)
		if !errors.As(err, &refused) || refused.Code.Name() != "insufficient_privilege" {
			t.Errorf("%s: %v, want insufficient_privilege", function, err)
		}
	}
}

// Whoever is first, a worker or who deletes the order: nothing of it is left.
func TestAnOrderIsDeletedWhileItsEventIsSettled(t *testing.T) {
	t.Parallel()
	t.Run("deleted first", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.settleMeanwhile(w.event("1", "r", linked), `DELETE FROM "Payment"`, `DELETE FROM "Order"`)
		if n := leftovers(t, w.DB); n != 0 {
			t.Errorf("%d rows of nobody are left", n)
		}
	})
	t.Run("settled first", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		batch := w.work([]event.Attempt{w.event("1", "r", linked)})
		// Holds the batch up when it has locked the order and the payment.
		holding := begun(t, w.DB, `SELECT FROM "WebhookEvent" FOR UPDATE`)
		settled, deleted := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := w.Settle(context.Background(), batch)
			settled <- err
		}()
		waitForLocks(t, w.DB, 1, settled)
		go func() {
			_, err := w.Exec(`DELETE FROM "Payment"`)
			deleted <- err
		}()
		waitForLocks(t, w.DB, 2, deleted)
		if err := holding.Commit(); err != nil {
			t.Fatal(err)
		}
		for what, ended := range map[string]chan error{"settling": settled, "deleting": deleted} {
			if err := <-ended; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if status := get[string](t, w.DB, `SELECT status FROM "Order"`); status != "PAID" {
			t.Errorf("the batch was not first: the order is %s", status)
		}
		if n := leftovers(t, w.DB); n != 0 {
			t.Errorf("%d rows of nobody are left", n)
		}
	})
}

// The stories and links would name nobody any more.
func TestAnIDStaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, statement := range []string{`UPDATE "Payment" SET id = 'other'`, `UPDATE "Order" SET id = 'other'`} {
		var refused *pq.Error
		if _, err := w.Exec(statement); !errors.As(err, &refused) || refused.Code.Name() != "foreign_key_violation" {
			t.Errorf("%s: %v, want a foreign_key_violation", statement, err)
		}
	}
	exec(t, w.DB, `UPDATE "Payment" SET id = 'p', amount = 2600`) // some applications name every column
}

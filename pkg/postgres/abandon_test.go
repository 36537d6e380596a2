package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// abandoned wants so many orders to be ended, and the order "o" to be as told.
func abandoned(t *testing.T, d *postgres.DB, when string, ended int, want string) {
	t.Helper()
	if n, err := d.EndAbandoned(t.Context(), 10); n != ended || err != nil || payments(t, d) != want {
		t.Errorf("%s: %d ended, want %d; %v; %s, want %s", when, n, ended, err, payments(t, d), want)
	}
}

// aDayLater makes all that is about the order "o" older than a day. A request
// that was given up stays so.
func aDayLater(t *testing.T, d *postgres.DB) {
	t.Helper()
	for _, table := range []string{"Order", "Payment", "Checkout"} {
		exec(t, d, `UPDATE "`+table+`" SET "createdAt" = "createdAt" - interval '25 hours'`)
	}
	exec(t, d, `UPDATE "Checkout" SET "requestedAt" = "requestedAt" - interval '25 hours'`)
}

// An order that nobody has begun to pay ends after a day, and can be paid all
// the same by who comes back.
func TestAbandonedOrdersEnd(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency, "createdAt") VALUES ('theirs', 'r', 1, 'eur', now() - interval '3 days')`)
	abandoned(t, d, "a young one", 0, "PAYMENT_PENDING")
	aDayLater(t, d)
	abandoned(t, d, "a day later", 1, "EXPIRED")
	if got := get[string](t, d, `SELECT concat_ws(' ', "orderId", "orderFrom", "orderTo", coalesce("paymentId", 'no payment'), reason) FROM "OrderTransition"`); got != "o PAYMENT_PENDING EXPIRED no payment nobody began to pay" {
		t.Error(got)
	}
	abandoned(t, d, "once more", 0, "EXPIRED")
	if c, err := d.BeginCheckout(t.Context(), start("p1")); err != nil || c.PaymentID != "p1" {
		t.Errorf("%+v, %v", c, err)
	}
	exec(t, d, `UPDATE "Order" SET status = 'PAYMENT_PENDING'`)
	abandoned(t, d, "somebody has come back", 0, "PAYMENT_PENDING: p1 PENDING")
	if err := d.KeepSession(t.Context(), "p1", 1, "cs_test_1"); err != nil {
		t.Fatal(err)
	}
	aDayLater(t, d)
	abandoned(t, d, "whose session is paid or expires", 0, "PAYMENT_PENDING: p1 PENDING cs_test_1")
}

// An order ends, too, if nobody could be led to a session: Stripe has refused to
// make one, or has not answered, or the answer was lost.
func TestAnOrderEndsThatStripeHasMadeNoSessionFor(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(t *testing.T, d *postgres.DB){
		"refused": func(t *testing.T, d *postgres.DB) {
			if err := d.DropRequest(t.Context(), "p1", 1); err != nil {
				t.Fatal(err)
			}
		},
		"not answered": func(*testing.T, *postgres.DB) {},
		"asked again, and not answered": func(t *testing.T, d *postgres.DB) {
			exec(t, d, `UPDATE "Checkout" SET "requestedAt" = now()`)
			abandoned(t, d, "asked again", 0, "PAYMENT_PENDING: p1 PENDING")
			exec(t, d, `UPDATE "Checkout" SET "requestedAt" = now() - interval '25 hours'`)
		},
		"a payment of the application's own": func(t *testing.T, d *postgres.DB) {
			exec(t, d, `DELETE FROM "Checkout"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{DB: withOrder(t), t: t, reads: map[string]func() (order.Contribution, error){}}
			if _, err := w.BeginCheckout(t.Context(), start("p1")); err != nil {
				t.Fatal(err)
			}
			abandoned(t, w.DB, "at once", 0, "PAYMENT_PENDING: p1 PENDING")
			aDayLater(t, w.DB)
			answer(t, w.DB)
			abandoned(t, w.DB, "a day later", 1, "EXPIRED: p1 EXPIRED")
			if got := get[string](t, w.DB, `SELECT concat_ws(' ', "orderFrom", "orderTo", "paymentId", "paymentFrom", "paymentTo", reason) FROM "OrderTransition"`); got != "PAYMENT_PENDING EXPIRED p1 PENDING EXPIRED nobody began to pay" {
				t.Error(got)
			}
			// Who comes back pays by another payment.
			if c, err := w.BeginCheckout(t.Context(), start("p2")); err != nil || c.PaymentID != "p2" || c.Attempt != 1 {
				t.Errorf("%+v, %v", c, err)
			}
			abandoned(t, w.DB, "somebody has come back", 0, "PAYMENT_PENDING: p1 EXPIRED, p2 PENDING")
			aDayLater(t, w.DB)
			abandoned(t, w.DB, "and gone", 1, "EXPIRED: p1 EXPIRED, p2 EXPIRED")
			// Stripe has made a session that we don't know, of a mode that we don't know, and it is paid.
			paid := w.event("1", "r", order.Contribution{PaymentID: "p1", Facts: order.Facts{Session: "cs_live_1", Intent: "pi_1",
				Evidence: []order.Money{{Amount: 2150, Currency: "eur"}}}})
			exec(t, w.DB, `UPDATE "WebhookEvent" SET livemode = true`)
			w.settle(paid)
			if got := payments(t, w.DB); got != "PAID: p1 COMPLETED pi_1, p2 EXPIRED" {
				t.Error(got)
			}
		})
	}
}

// Somebody begins to pay in the very moment in which the order is found to be
// abandoned, and before it is locked: there the search is made to wait.
func TestAnOrderThatSomebodyBeginsToPayIsNotEnded(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	aDayLater(t, d)
	for _, statement := range []string{
		`CREATE FUNCTION searching() RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN
			IF current_query() LIKE '%SKIP LOCKED%' THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
			RETURN true;
		END $$`,
		`ALTER TABLE "OrderRequest" RENAME TO requests`,
		`CREATE VIEW "OrderRequest" AS SELECT * FROM requests WHERE searching()`,
	} {
		exec(t, d, statement)
	}
	tx := begun(t, d, `SELECT pg_advisory_xact_lock(7)`)
	ended := make(chan error)
	go func() {
		n, err := d.EndAbandoned(t.Context(), 10)
		if err == nil && n != 0 {
			err = fmt.Errorf("%d are ended", n)
		}
		ended <- err
	}()
	waitForLocks(t, d, 1, ended)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || payments(t, d) != "PAYMENT_PENDING: p1 PENDING" {
		t.Errorf("%v, %s", err, payments(t, d))
	}
}

// An order that the ordering application's own trigger keeps as it is keeps no
// other from its end.
func TestAnOrderThatCannotEndKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	for body, fault := range map[string]error{
		`RAISE EXCEPTION 'order % is kept', NEW.id`: event.ErrUnstorable, `INSERT INTO nowhere VALUES (NEW.id)`: event.ErrTrigger,
	} {
		t.Run(body, func(t *testing.T) { t.Parallel(); cannotEnd(t, body, fault) })
	}
}

func cannotEnd(t *testing.T, body string, fault error) {
	d := withOrder(t)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('kept', 'r', 2150, 'eur')`)
	exec(t, d, `INSERT INTO "OrderRequest" ("orderId", "restaurantId", "requestHash") VALUES ('kept', 'r', '')`)
	aDayLater(t, d)
	exec(t, d, `UPDATE "Order" SET "createdAt" = now() - interval '2 days' WHERE id = 'kept'`) // the first one
	for _, statement := range []string{
		`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + body + `; END $$`,
		`CREATE TRIGGER keep BEFORE UPDATE ON "Order" FOR EACH ROW WHEN (NEW.id = 'kept') EXECUTE FUNCTION keep()`,
	} {
		exec(t, d, statement)
	}
	n, err := d.EndAbandoned(t.Context(), 10)
	got := get[string](t, d, `SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM "Order"`)
	if want := "kept PAYMENT_PENDING, o EXPIRED"; n != 1 || !errors.Is(err, fault) || got != want {
		t.Errorf("%d ended, %v; %s, want %s", n, err, got, want)
	}
}

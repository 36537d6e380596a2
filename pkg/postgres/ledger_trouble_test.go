package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// Somebody has an order open in psql, or a payment of it: its events wait, nobody
// else's do.
func TestAnOrderThatSomebodyHoldsKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	for held, statement := range map[string]string{"the order": `UPDATE "Order" SET status = status WHERE id = 'o'`, "its payment": `UPDATE "Payment" SET status = status WHERE id = 'p'`} {
		t.Run(held, func(t *testing.T) { t.Parallel(); keepsNobodyElseWaiting(t, statement) })
	}
}

func keepsNobodyElseWaiting(t *testing.T, hold string) {
	w := newWorld(t)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'r', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p2', 'o2', 'cs_test_2', 2500, 'usd')`)
	held := w.event("1", "r", linked)
	byOrder := w.event("2", "r", order.Contribution{OrderID: "o", Facts: order.Facts{Expired: true}})
	free := w.event("3", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_2", Evidence: []order.Money{paid}}})
	tx := begun(t, w.DB, hold)
	results := w.settle(held, byOrder, free)
	for _, r := range results[:2] {
		if !errors.Is(r.Err, order.ErrBusy) || !event.IsUnavailable(r.Err) {
			t.Errorf("the held order's event: %+v", r)
		}
	}
	if results[2].Err != nil || results[2].Outcome != event.Applied {
		t.Errorf("the other order's event: %+v", results[2])
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.settle(held)
	if got := get[string](t, w.DB, `SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM "Order"`); got != "o PAID, o2 PAID" {
		t.Error(got)
	}
}

// A payment that is named but not there yet is waited for: any other of the
// order would be a guess.
func TestANamedPaymentIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.event("1", "r", order.Contribution{OrderID: "o", PaymentID: "p2", Facts: order.Facts{Intent: "pi_2", Evidence: []order.Money{paid}}})
	if r := w.settle(a); !errors.Is(r[0].Err, order.ErrUnknownPayment) {
		t.Fatal(r)
	}
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('p2', 'o', 2500, 'usd')`)
	w.settle(a)
	if got := get[string](t, w.DB, `SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM "Payment"`); got != "p PENDING, p2 COMPLETED" {
		t.Error(got)
	}
}

func TestThePaymentsModeIsLearned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	live := func() string {
		return get[string](t, w.DB, `SELECT coalesce(livemode::text, 'unknown') FROM "Payment" WHERE id = 'p2'`)
	}
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'r', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('p2', 'o2', 2500, 'usd')`)
	states := []string{live()}
	exec(t, w.DB, `UPDATE "Payment" SET "providerPaymentId" = 'cs_live_1' WHERE id = 'p2'`)
	states = append(states, live())
	exec(t, w.DB, `UPDATE "Payment" SET "providerPaymentId" = 'pi_1', livemode = NULL WHERE id = 'p2'`)
	a := w.event("1", "r", order.Contribution{PaymentID: "p2", Facts: order.Facts{Intent: "pi_1", Evidence: []order.Money{paid}}})
	w.settle(a) // an event of test mode
	states = append(states, live())
	if diff := cmp.Diff([]string{"unknown", "true", "false"}, states); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// What one payment's row can't be read for must not keep others from theirs.
func TestUnreadableFactsAreOnePaymentsTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `UPDATE "Payment" SET facts = '[]'`)
	a := w.event("1", "r", linked)
	_, err := w.Settle(context.Background(), w.work([]event.Attempt{a}))
	if !errors.Is(err, event.ErrUnstorable) || !strings.Contains(err.Error(), "facts of payment p") {
		t.Error(err)
	}
}

// A trigger of the ordering application finds nothing to write to for one
// restaurant's order. That is not taken for an outage of the database, and the
// events of other orders have their end.
func TestATriggerThatFailsForOneOrderIsNoOutage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`INSERT INTO tickets_of_r VALUES (NEW.id);`,
		`PERFORM (SELECT n FROM generate_series(1, 2) n);`,
	} {
		w := newWorld(t)
		exec(t, w.DB, `CREATE FUNCTION print_ticket() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+body+` RETURN NULL; END $$`)
		exec(t, w.DB, `CREATE TRIGGER print_ticket AFTER UPDATE ON "Order" FOR EACH ROW WHEN (NEW.status = 'PAID') EXECUTE FUNCTION print_ticket()`)
		a := w.event("1", "r", linked)
		if _, err := w.Settle(context.Background(), w.work([]event.Attempt{a})); !errors.Is(err, event.ErrTrigger) {
			t.Errorf("%s: %v", body, err)
		}
		if got := w.eventState(a); got != "PROCESSING 0" {
			t.Errorf("%s: %s", body, got)
		}
		exec(t, w.DB, `DROP TRIGGER print_ticket ON "Order"`)
		w.settle(a)
		if got, want := w.states(), "PAID COMPLETED pi_1"; got != want {
			t.Errorf("once it is mended: %s, want %s", got, want)
		}
	}
}

// One connection is enough for a batch that nobody has warmed the statements of,
// even where an event of it has to wait.
func TestABatchNeedsOneConnection(t *testing.T) {
	t.Parallel()
	d, err := postgres.Open(devstack.Database(t, migrate), postgres.Options{Name: t.Name(), Batches: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	w := worldOn(t, d)
	batch := w.work([]event.Attempt{w.event("1", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_9", Expired: true}})})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, err := d.Settle(ctx, batch)
	if err != nil || !errors.Is(results[0].Err, order.ErrUnknownPayment) {
		t.Error(results, err)
	}
}

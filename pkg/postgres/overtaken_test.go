package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// Between what a batch reads and what it writes somebody else commits: what comes
// out is as if he had come first.
func TestSomebodyIsFaster(t *testing.T) {
	t.Parallel()
	failed := order.Contribution{Facts: order.Facts{Session: "cs_test_1", AsyncFailed: true}}
	for name, c := range map[string]struct {
		somebody []string
		event    order.Contribution
		want     string
		before   string // what the order is at first, "" for PAYMENT_PENDING
	}{
		"the restaurant cancels the order": {
			[]string{`UPDATE "Order" SET status = 'CANCELLED'`}, linked,
			`CANCELLED | p COMPLETED {"intent": "pi_1", "session": "cs_test_1", "evidence": [{"amount": 2500, "currency": "usd"}]}, p2 PENDING {}`, "",
		},
		"another event of the payment is settled": {
			[]string{`UPDATE "Payment" SET facts = '{"charges": ["ch_0"]}' WHERE id = 'p'`}, linked,
			`PAID | p COMPLETED {"intent": "pi_1", "charges": ["ch_0"], "session": "cs_test_1", "evidence": [{"amount": 2500, "currency": "usd"}]}, p2 PENDING {}`, "",
		},
		// Each of the two alone leaves the order as it is, both end it.
		"the order's other payment fails, as another worker writes it": {
			[]string{`SELECT FROM "Order" FOR NO KEY UPDATE`, `UPDATE "Payment" SET status = 'FAILED', facts = '{"asyncFailed": true}' WHERE id = 'p2'`}, failed,
			`PAYMENT_FAILED | p FAILED {"session": "cs_test_1", "asyncFailed": true}, p2 FAILED {"asyncFailed": true}`, "",
		},
		"the order's other payment fails, as anybody else writes it": {
			[]string{`UPDATE "Payment" SET status = 'FAILED', facts = '{"asyncFailed": true}' WHERE id = 'p2'`}, failed,
			`PAYMENT_FAILED | p FAILED {"session": "cs_test_1", "asyncFailed": true}, p2 FAILED {"asyncFailed": true}`, "",
		},
		"the restaurant takes back an order that no event would touch": {
			[]string{`UPDATE "Order" SET status = 'PAYMENT_PENDING'`}, linked,
			`PAID | p COMPLETED {"intent": "pi_1", "session": "cs_test_1", "evidence": [{"amount": 2500, "currency": "usd"}]}, p2 PENDING {}`, "CANCELLED",
		},
		"somebody has only looked, with a lock": {
			[]string{`SELECT FROM "Order" FOR UPDATE`, `SELECT FROM "Payment" FOR UPDATE`}, failed,
			`PAYMENT_PENDING | p FAILED {"session": "cs_test_1", "asyncFailed": true}, p2 PENDING {}`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('p2', 'o', 2500, 'usd')`)
			if c.before != "" {
				exec(t, w.DB, `UPDATE "Order" SET status = $1`, c.before)
			}
			w.settleMeanwhile(w.event("1", "r", c.event), c.somebody...)
			if diff := cmp.Diff(c.want, w.orderWithPayments()); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
		})
	}
}

// The customer begins to pay anew, or the ordering application lets him, while the
// batch ends all payments that the order had: it still waits, for the new one.
func TestAnotherPaymentComesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settleMeanwhile(w.event("1", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_1", Expired: true}}),
		`INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('p2', 'o', 2500, 'usd')`)
	want := `PAYMENT_PENDING | p EXPIRED {"expired": true, "session": "cs_test_1"}, p2 PENDING {}`
	if diff := cmp.Diff(want, w.orderWithPayments()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// The order's second payment is committed when the statement that locks the order has
// begun, and has not locked it yet: it has the order as it is by now, but its payments
// as they were. They are read anew, and the order waits for the second one.
func TestAnotherPaymentComesBeforeTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.event("1", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_1", Expired: true}})
	unplaced := w.event("2", "r", order.Contribution{Facts: order.Facts{Intent: "pi_of_nobody"}}) // so that the batch is settled with locks
	batch := w.work([]event.Attempt{expired, unplaced})
	// Orders are seen through a view, which holds up the statement that locks them.
	for _, statement := range []string{
		`CREATE FUNCTION held_up() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF current_query() LIKE '/* order_lock */%' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
			RETURN true;
		END $$`,
		`ALTER TABLE "Order" RENAME TO "OrderBehind"`,
		`CREATE VIEW "Order" AS SELECT xmin, * FROM "OrderBehind" WHERE held_up()`,
	} {
		exec(t, w.DB, statement)
	}
	holding := begun(t, w.DB, `SELECT pg_advisory_xact_lock(1)`)
	settled := make(chan error)
	go func() {
		_, err := w.Settle(context.Background(), batch)
		settled <- err
	}()
	waitForLocks(t, w.DB, 1, settled)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('p2', 'o', 2500, 'usd')`)
	if err := holding.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	want := `PAYMENT_PENDING | p EXPIRED {"expired": true, "session": "cs_test_1"}, p2 PENDING {}`
	if diff := cmp.Diff(want, w.orderWithPayments()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// settleMeanwhile settles an event of which all was read before somebody's
// statements, which are committed when the batch has begun to wait for them.
func (w *world) settleMeanwhile(a event.Attempt, somebody ...string) {
	w.t.Helper()
	batch := w.work([]event.Attempt{a})
	tx := begun(w.t, w.DB, somebody...)
	settled := make(chan error)
	go func() {
		_, err := w.Settle(context.Background(), batch)
		settled <- err
	}()
	waitForLocks(w.t, w.DB, 1, settled)
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
	if err := <-settled; err != nil {
		w.t.Fatal(err)
	}
}

// waitForLocks returns when so many wait for locks; the last of them must not have
// done before.
func waitForLocks(t *testing.T, d *postgres.DB, many int, done <-chan error) {
	t.Helper()
	for get[int](t, d, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) < many {
		select {
		case err := <-done:
			t.Fatal("it waits for nobody:", err)
		default:
		}
	}
}

// orderWithPayments is what became of the order, and of its payments.
func (w *world) orderWithPayments() string {
	w.t.Helper()
	return get[string](w.t, w.DB, `SELECT o.status || ' | ' || string_agg(concat_ws(' ', p.id, p.status, p.facts), ', ' ORDER BY p.id)
		FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id GROUP BY o.id, o.status`)
}

// Who comes too late for an event hears that it was done before, and not that it has
// changed nothing.
func TestAnEventIsFinishedBySomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.event("1", "r", linked), w.event("2", "r", charge)
	stale := w.work([]event.Attempt{first, second})
	w.settle(first)
	results, err := w.Settle(context.Background(), stale)
	if err != nil {
		t.Fatal(err)
	}
	want := []order.Result{{}, {OrderID: "o", Outcome: event.Applied}}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Batches that share orders and payments, in all sorts of order and again and again:
// none is lost, none acts twice, and nobody is told of a deadlock.
func TestBatchesThatMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batches, err := postgres.Open(devstack.Database(t, migrate), postgres.Options{Name: t.Name(), Batches: true, MaxConns: 6})
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Close()
	w.DB = batches
	exec(t, w.DB, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	const orders = 20
	var attempts []event.Attempt
	for i := range orders {
		o, session, intent := fmt.Sprint("o", i), fmt.Sprint("cs_", i), fmt.Sprint("pi_", i)
		exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ($1, 'r', 2500, 'usd')`, o)
		exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p' || $1, $1, $2, 2500, 'usd')`, o, session)
		attempts = append(attempts,
			w.event("completed"+o, "r", order.Contribution{Facts: order.Facts{Session: session, Intent: intent, Evidence: []order.Money{paid}}}),
			w.event("charge"+o, "r", order.Contribution{OrderID: o, Facts: order.Facts{Intent: intent, Charges: []string{"ch_" + o}, Evidence: []order.Money{paid}}}),
			w.event("refund"+o, "r", order.Contribution{OrderID: o, Facts: order.Facts{Intent: intent, Gross: map[string]int64{"ch_" + o: 2500}}}))
	}
	var working sync.WaitGroup
	for range 6 {
		order := rand.Perm(len(attempts))
		working.Go(func() {
			for from := 0; from < len(order); from += 15 {
				var batch []event.Attempt
				for _, i := range order[from : from+15] {
					batch = append(batch, attempts[i])
				}
				if _, err := w.Settle(context.Background(), w.work(batch)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	w.settle(attempts...) // what had to wait for another of its order
	got := get[string](t, w.DB, `SELECT concat_ws(', ',
		(SELECT count(*) FROM "Order" WHERE status = 'REFUNDED'), (SELECT count(*) FROM "Payment" WHERE status = 'REFUNDED'),
		(SELECT count(*) FROM "WebhookEvent" WHERE status = 'COMPLETED' AND "orderId" IS NOT NULL))`)
	if want := fmt.Sprintf("%d, %d, %d", orders, orders, 3*orders); got != want {
		t.Errorf("orders, payments, events: %s, want %s", got, want)
	}
	if n := get[int](t, w.DB, `SELECT count(*) FROM (SELECT FROM "OrderTransition" GROUP BY "orderId", "orderTo" HAVING count(*) > 1) AS twice`); n != 0 {
		t.Errorf("%d orders came into a state twice", n)
	}
}

package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// world is a database with one restaurant, one order and its payment, and the
// contributions that stored events are read as.
type world struct {
	*postgres.DB
	t     *testing.T
	reads map[string]func() (order.Contribution, error)
}

func newWorld(t *testing.T) *world {
	w := &world{DB: migrated(t), t: t, reads: map[string]func() (order.Contribution, error){}}
	exec(t, w.DB, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r'), ('other', 'Other', 'other')`)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o', 'r', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p', 'o', 'cs_test_1', 2500, 'usd')`)
	return w
}

// event stores an event of restaurant that will be read as c.
func (w *world) event(id, restaurant string, c order.Contribution) event.Attempt {
	w.t.Helper()
	r := record(id, "evt_"+id)
	r.RestaurantID = restaurant
	if _, err := w.InsertEvents(context.Background(), []event.Record{r}); err != nil {
		w.t.Fatal(err)
	}
	w.reads["evt_"+id] = func() (order.Contribution, error) { return c, nil }
	return event.Attempt{Ref: r.Ref(), Number: 1}
}

func (w *world) settle(attempts ...event.Attempt) []order.Result {
	w.t.Helper()
	results, err := w.Settle(context.Background(), attempts, func(s event.Stored) (order.Contribution, error) {
		return w.reads[s.ProviderEventID]()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return results
}

func (w *world) states() string {
	w.t.Helper()
	return get[string](w.t, w.DB, `SELECT o.status || ' ' || p.status || ' ' || p."providerPaymentId" FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id`)
}

func (w *world) eventState(a event.Attempt) string {
	w.t.Helper()
	return get[string](w.t, w.DB, `SELECT concat_ws(' ', status, outcome, attempts, "lastError") FROM "WebhookEvent" WHERE id = $1`, a.ID)
}

var (
	paid   = order.Money{Amount: 2500, Currency: "usd"}
	charge = order.Contribution{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{paid}}}
	linked = order.Contribution{Facts: order.Facts{Session: "cs_test_1", Intent: "pi_1", Evidence: []order.Money{paid}}}
)

func TestSettleMovesEventPaymentAndOrderTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The charge comes first and can only be placed once the session has
	// linked its intent; one batch has both.
	a, b := w.event("1", "r", charge), w.event("2", "r", linked)
	results := w.settle(a, b)
	if results[0].Err != nil || results[1].Err != nil {
		t.Fatal(results)
	}
	got := []string{w.states(), w.eventState(a), w.eventState(b)}
	want := []string{"PAID COMPLETED pi_1", "COMPLETED applied 1", "COMPLETED applied 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	story := get[string](t, w.DB, `SELECT string_agg(concat_ws(' ', "webhookEventId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason), '; ') FROM "OrderTransition"`)
	if want := "2 PAYMENT_PENDING PAID PENDING COMPLETED charge.succeeded"; story != want {
		t.Errorf("transitions: %s\nwant: %s", story, want)
	}
	if links := get[int](t, w.DB, `SELECT count(*) FROM "PaymentObject" WHERE "restaurantId" = 'r' AND "paymentId" = 'p'`); links != 3 {
		t.Errorf("%d objects lead to the payment, want session, intent and charge", links)
	}
	if again := w.settle(a, b); !cmp.Equal(again, make([]order.Result, 2)) {
		t.Errorf("finished events were worked off again: %+v", again)
	}
}

func TestSettleWaitsForAnUnknownPaymentAndFailsInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.event("1", "r", order.Contribution{Facts: order.Facts{Intent: "pi_unheard_of"}})
	if r := w.settle(a); !errors.Is(r[0].Err, order.ErrUnknownPayment) || event.IsPermanent(r[0].Err) {
		t.Fatal(r)
	}
	if got := w.eventState(a); got != "PROCESSING 0" {
		t.Errorf("while it waits: %s", got)
	}
	a.Number, a.Last = 26, true
	w.settle(a)
	if got := w.eventState(a); !strings.HasPrefix(got, "FAILED 26 no payment of this restaurant") {
		t.Errorf("after the last attempt: %s", got)
	}
}

// A restaurant can sign whatever it likes: it reaches its own payments only,
// and what it tried is kept for a human.
func TestSettleIsBoundByTheRestaurant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	money := order.Facts{Evidence: []order.Money{paid}}
	for id, c := range map[string]order.Contribution{
		"by object":     linked,
		"by order":      {OrderID: "o", Facts: money},
		"by payment":    {PaymentID: "p", Facts: money},
		"by restaurant": {RestaurantID: "r", OrderID: "o2", Facts: money},
	} {
		a := w.event(id, "other", c)
		if r := w.settle(a); !event.IsPermanent(r[0].Err) {
			t.Errorf("%s: %+v", id, r)
		}
		if got := w.eventState(a); !strings.HasPrefix(got, "FAILED 1 ") || !strings.Contains(got, "another restaurant") {
			t.Errorf("%s: %s", id, got)
		}
	}
	if got := w.states(); got != "PAYMENT_PENDING PENDING cs_test_1" {
		t.Error(got)
	}
}

// What an event has linked proves nothing: restaurant "other" claims an intent
// that turns out to be r's, and r's own events must not suffer for it.
func TestAClaimedObjectDoesNotHurtItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'other', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p2', 'o2', 'cs_test_2', 2500, 'usd')`)
	claim := w.event("1", "other", order.Contribution{Facts: order.Facts{Session: "cs_test_2", Intent: "pi_1"}})
	early, late := w.event("2", "r", charge), w.event("3", "r", linked)
	w.settle(claim)
	if r := w.settle(early); !errors.Is(r[0].Err, order.ErrUnknownPayment) || event.IsPermanent(r[0].Err) {
		t.Fatalf("the owner's early charge: %+v", r)
	}
	w.settle(late)
	w.settle(early)
	got := get[string](t, w.DB, `SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM "Payment"`)
	if got != "p COMPLETED, p2 PENDING" {
		t.Error(got)
	}
}

func TestMoneyOfTheWrongAmountIsKeptForAHuman(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.event("1", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_1", Evidence: []order.Money{{Amount: 1, Currency: "usd"}}}})
	if r := w.settle(a); !errors.Is(r[0].Err, order.ErrAmount) || !event.IsPermanent(r[0].Err) {
		t.Fatal(r)
	}
	got := []string{w.states(), get[string](t, w.DB, `SELECT facts->>'evidence' FROM "Payment"`)}
	want := []string{"PAYMENT_PENDING REVIEW cs_test_1", `[{"amount": 1, "currency": "usd"}]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if got := w.eventState(a); !strings.HasPrefix(got, "FAILED 1 amount or currency") {
		t.Error(got)
	}
}

func TestAnUnreadableEventCostsItsNeighboursNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad, good := w.event("1", "r", linked), w.event("2", "r", linked)
	w.reads["evt_1"] = func() (order.Contribution, error) {
		return order.Contribution{}, event.Permanent(errors.New("amount is not a number"))
	}
	w.settle(bad, good)
	got := []string{w.eventState(bad), w.eventState(good), w.states()}
	want := []string{"FAILED 1 amount is not a number", "COMPLETED applied 1", "PAID COMPLETED pi_1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// The same events in many transactions at once: each acts once.
func TestSettleInManyTransactionsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.event("1", "r", linked), w.event("2", "r", charge)
	var wg sync.WaitGroup
	for i := range 8 {
		attempts := []event.Attempt{a, b}
		if i%2 == 0 {
			attempts = []event.Attempt{b, a}
		}
		wg.Go(func() {
			if _, err := w.Settle(context.Background(), attempts, func(s event.Stored) (order.Contribution, error) {
				return w.reads[s.ProviderEventID]()
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := []any{w.states(), get[int](t, w.DB, `SELECT count(*) FROM "OrderTransition"`)}
	if diff := cmp.Diff([]any{"PAID COMPLETED pi_1", 1}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestUnfinishedEventsArePagedOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"1", "2", "3", "4"} {
		w.event(id, "r", linked)
	}
	exec(t, w.DB, `UPDATE "WebhookEvent" SET "createdAt" = now() - interval '1 hour' - id::int * interval '1 second'`)
	exec(t, w.DB, `UPDATE "WebhookEvent" SET status = 'COMPLETED' WHERE id = '2'`)
	w.event("5", "r", linked) // too young
	var ids []string
	var last event.Unfinished
	for {
		page, err := w.UnfinishedEvents(context.Background(), time.Minute, last, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		last = page[len(page)-1]
	}
	if diff := cmp.Diff([]string{"4", "3", "1"}, ids); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Somebody has an order open in psql: its events wait, nobody else's do.
func TestAnOrderThatSomebodyHoldsKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o2', 'r', 2500, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p2', 'o2', 'cs_test_2', 2500, 'usd')`)
	held := w.event("1", "r", linked)
	byOrder := w.event("2", "r", order.Contribution{OrderID: "o", Facts: order.Facts{Expired: true}})
	free := w.event("3", "r", order.Contribution{Facts: order.Facts{Session: "cs_test_2", Evidence: []order.Money{paid}}})
	tx, err := w.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE "Order" SET status = status WHERE id = 'o'`); err != nil {
		t.Fatal(err)
	}
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
	_, err := w.Settle(context.Background(), []event.Attempt{a}, func(s event.Stored) (order.Contribution, error) {
		return w.reads[s.ProviderEventID]()
	})
	if !errors.Is(err, event.ErrUnstorable) || !strings.Contains(err.Error(), "facts of payment p") {
		t.Error(err)
	}
}

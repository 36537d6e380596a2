package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

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

func newWorld(t *testing.T) *world { return worldOn(t, migrated(t)) }

func worldOn(t *testing.T, d *postgres.DB) *world {
	w := &world{DB: d, t: t, reads: map[string]func() (order.Contribution, error){}}
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
	results, err := w.Settle(context.Background(), w.work(attempts))
	if err != nil {
		w.t.Fatal(err)
	}
	return results
}

// work is attempts with what their events are read as.
func (w *world) work(attempts []event.Attempt) []order.Work {
	w.t.Helper()
	events, err := w.ReadEvents(context.Background(), attempts)
	if err != nil {
		w.t.Fatal(err)
	}
	work := make([]order.Work, len(attempts))
	for i, a := range attempts {
		work[i] = order.Work{Attempt: a}
		if e := events[i]; e.ID != "" {
			work[i].Ref = e.Ref
			var c order.Contribution
			c, work[i].Err = w.reads[e.ProviderEventID]()
			work[i].Entry = order.NewEntry(e, c)
		}
	}
	return work
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

// An event of a batch that somebody else finishes after it was read costs the
// others nothing: what can be placed acts once, what can't waits.
func TestABatchIsOvertaken(t *testing.T) {
	t.Parallel()
	for _, more := range []bool{false, true} {
		w := newWorld(t)
		stranger := order.Contribution{Facts: order.Facts{Intent: "pi_2", Charges: []string{"ch_2"}, Evidence: []order.Money{paid}}}
		first, second, third := w.event("1", "r", linked), w.event("2", "r", charge), w.event("3", "r", stranger)
		batch := []event.Attempt{first, third}
		want := []string{" ", " unknown", "COMPLETED applied 1", "PROCESSING 0"}
		if more {
			batch = append(batch, second)
			want = append(want, "COMPLETED applied 1")
		}
		stale := w.work(batch)
		w.settle(first)
		results, err := w.Settle(context.Background(), stale)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range results[:2] {
			said := string(r.Outcome) + " "
			if errors.Is(r.Err, order.ErrUnknownPayment) {
				said += "unknown"
			}
			got = append(got, said)
		}
		for _, a := range batch {
			got = append(got, w.eventState(a))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("of %d events (-want +got)\n%s", len(batch), diff)
		}
		states := []any{w.states(), get[int](t, w.DB, `SELECT count(*) FROM "OrderTransition"`)}
		if diff := cmp.Diff([]any{"PAID COMPLETED pi_1", 1}, states); diff != "" {
			t.Errorf("of %d events (-want +got)\n%s", len(batch), diff)
		}
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
			if _, err := w.Settle(context.Background(), w.work(attempts)); err != nil {
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

// A task that Redis has lost is made anew and counts its attempts from one. The
// event has waited all the same, and must not be noted as waiting for ever.
func TestAFinishedEventWaitsNoLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.event("1", "r", order.Contribution{Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{paid}}})
	if r := w.settle(a)[0]; !errors.Is(r.Err, order.ErrUnknownPayment) {
		t.Fatalf("got %+v", r)
	}
	waiting := func() int { return get[int](t, w.DB, `SELECT count(*) FROM "WaitingEvent"`) }
	if waiting() == 0 {
		t.Fatal("it is not noted as waiting")
	}
	w.settle(w.event("2", "r", linked))
	w.settle(a) // its first attempt once more
	if diff := cmp.Diff([]any{"COMPLETED applied 1", 0}, []any{w.eventState(a), waiting()}); diff != "" {
		t.Error(diff)
	}
}

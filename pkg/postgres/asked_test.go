package postgres_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

func TestKnownAndForeignEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.event("1", "r", charge)
	w.event("2", "other", charge)
	known, err := w.KnownEvents(t.Context(), []event.Record{record("x", "evt_new"), record("x", "evt_1"), record("x", "evt_2")})
	if diff := cmp.Diff([]bool{false, true, false}, known); diff != "" || err != nil {
		t.Errorf("known: %v (-want +got)\n%s", err, diff)
	}
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('theirs', 'other', 1, 'usd')`)
	exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p2', 'theirs', 'cs_theirs', 1, 'usd')`)
	// What another restaurant has only claimed by an event of its own is not
	// foreign: else it could keep us from storing ours.
	exec(t, w.DB, `INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId") VALUES ('other', 'ch_claimed', 'p2'), ('other', 'cs_test_1', 'p2')`)
	foreign, err := w.ForeignEvents(t.Context(), "r", []event.Hints{
		{}, {OrderID: "o"}, {OrderID: "theirs"}, {Objects: []string{"cs_theirs"}}, {Objects: []string{"cs_test_1"}},
		{Objects: []string{"ch_claimed"}}, {Objects: []string{"cs_theirs"}, OrderID: "o"}, {Objects: []string{"nobody's"}, OrderID: "nobody's"},
	})
	if diff := cmp.Diff([]bool{false, false, true, true, false, false, false, false}, foreign); diff != "" || err != nil {
		t.Errorf("foreign: %v (-want +got)\n%s", err, diff)
	}
}

// An event and its successor change in one transaction.
func TestSucceedEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	thin := w.event("1", "r", charge)
	next := record("2", "fetched_evt_1")
	next.Source = event.Reconciled
	if stored, err := w.SucceedEvent(t.Context(), thin, next); err != nil || !stored || w.eventState(thin) != "COMPLETED applied 1" {
		t.Errorf("%t, %v, %s", stored, err, w.eventState(thin))
	}
	if got := get[string](t, w.DB, `SELECT status || ' ' || source FROM "WebhookEvent" WHERE id = '2'`); got != "PROCESSING reconcile" {
		t.Error(got)
	}
	again := w.event("3", "r", charge)
	next.ID = "4"
	if stored, err := w.SucceedEvent(t.Context(), again, next); err != nil || stored || w.eventState(again) != "COMPLETED no_change 1" {
		t.Errorf("%t, %v, %s", stored, err, w.eventState(again))
	}
	// What can't be stored leaves the first one as it is.
	broken := w.event("5", "r", charge)
	next.ID, next.ProviderEventID, next.Type = "6", "fetched_evt_5", "\x00"
	if _, err := w.SucceedEvent(t.Context(), broken, next); err == nil || w.eventState(broken) != "PROCESSING 0" {
		t.Errorf("%v, %s", err, w.eventState(broken))
	}
}

// withKeys gives both restaurants a configuration, one of them with a key.
func (w *world) withKeys() {
	w.t.Helper()
	exec(w.t, w.DB, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "secretKey") VALUES ('c', 'r', 'sk_test_1'), ('d', 'other', ' ')`)
}

func TestABackfillsTurnIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, due, err := w.ClaimBackfill(t.Context(), time.Hour, time.Hour); due || err != nil {
		t.Errorf("without a key: %t, %v", due, err)
	}
	w.withKeys()
	const rounds = 30
	var taken atomic.Int64
	for range rounds {
		exec(t, w.DB, `UPDATE "BackfillCursor" SET "nextRunAt" = now()`)
		begin := make(chan struct{})
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				<-begin
				turn, due, err := w.ClaimBackfill(t.Context(), 72*time.Hour, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if due && turn.RestaurantID != "r" {
					t.Errorf("%+v", turn)
				}
				if due {
					taken.Add(1)
				}
			})
		}
		close(begin)
		workers.Wait()
	}
	if taken.Load() != rounds {
		t.Errorf("taken %d times in %d rounds", taken.Load(), rounds)
	}
	if back := get[float64](t, w.DB, `SELECT extract(epoch FROM now() - "coveredUntil") / 3600 FROM "BackfillCursor"`); back < 72 || back > 73 {
		t.Errorf("a new restaurant begins %g hours back", back)
	}
	covered := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, until := range []time.Time{covered, covered.Add(-time.Hour)} { // a worker that was given up for dead
		if err := w.SaveBackfill(t.Context(), "r", until, 3, "Stripe is away", 0); err != nil {
			t.Fatal(err)
		}
	}
	turn, due, err := w.ClaimBackfill(t.Context(), time.Hour, time.Hour)
	if err != nil || !due || !turn.CoveredUntil.Equal(covered) || turn.LastError != "Stripe is away" {
		t.Errorf("%+v, %t, %v", turn, due, err)
	}
	if got := get[int](t, w.DB, `SELECT stored FROM "BackfillCursor"`); got != 6 {
		t.Errorf("stored %d", got)
	}
}

// Only those orders are looked up that somebody may have paid, by one worker at
// a time, and the less often the longer nothing changes.
func TestClaimPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withKeys()
	order := func(id, restaurant, status, ago, payment, session string) {
		exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
			VALUES ($1, $2, $3, 1, 'usd', now() - $4::interval)`, id, restaurant, status, ago)
		if payment != "" {
			exec(t, w.DB, `INSERT INTO "Payment" (id, "orderId", status, "providerPaymentId", amount, currency) VALUES ('p' || $1, $1, $2, NULLIF($3, ''), 1, 'usd')`, id, payment, session)
		}
	}
	order("old", "r", "PAYMENT_PENDING", "3 hours", "PENDING", "cs_old")
	order("older", "r", "PAYMENT_PENDING", "4 hours", "FAILED", "pi_older")
	order("ancient", "r", "PAYMENT_PENDING", "40 days", "PENDING", "cs_ancient")
	order("paid", "r", "PAID", "3 hours", "COMPLETED", "cs_paid")
	order("review", "r", "PAYMENT_PENDING", "3 hours", "REVIEW", "cs_review")
	order("bare", "r", "PAYMENT_PENDING", "3 hours", "", "")
	order("sessionless", "r", "PAYMENT_PENDING", "3 hours", "PENDING", "")
	order("keyless", "other", "PAYMENT_PENDING", "3 hours", "PENDING", "cs_keyless")
	claim := func() map[string]event.PendingPayment {
		t.Helper()
		all, err := w.ClaimPending(t.Context(), time.Hour, time.Hour, 10)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]event.PendingPayment{}
		for _, p := range all {
			got[p.OrderID] = p.Payments[0]
		}
		return got
	}
	want := map[string]event.PendingPayment{"old": {ID: "pold", Session: "cs_old"}, "older": {ID: "polder", Intent: "pi_older"}}
	if diff := cmp.Diff(want, claim()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := claim(); len(got) != 0 {
		t.Errorf("claimed twice: %v", got)
	}
	var waits []int
	for _, finding := range []string{"open", "open", "open", "expired", "expired", "away", "away"} {
		if err := w.SaveFinding(t.Context(), "old", finding, time.Minute, finding == "away"); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, get[int](t, w.DB, `SELECT extract(epoch FROM "nextLookAt" - "lookedAt")::integer FROM "OrderLookup" WHERE "orderId" = 'old'`))
	}
	if diff := cmp.Diff([]int{60, 120, 240, 60, 120, 60, 60}, waits); diff != "" {
		t.Errorf("seconds to the next look (-want +got)\n%s", diff)
	}
}

func TestStuckOrdersPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency, "createdAt")
		SELECT 'o' || n, CASE n % 2 WHEN 0 THEN 'r' ELSE 'other' END, 1, 'usd', now() - make_interval(hours => 10 - n / 2) FROM generate_series(0, 6) n`)
	var got []string
	var last postgres.StuckOrder
	for {
		page, err := w.StuckOrders(t.Context(), time.Hour, "", last, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			got = append(got, o.ID)
		}
		last = page[len(page)-1]
	}
	if diff := cmp.Diff([]string{"o0", "o1", "o2", "o3", "o4", "o5", "o6"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if page, err := w.StuckOrders(t.Context(), time.Hour, "other", postgres.StuckOrder{}, 10); err != nil || len(page) != 3 {
		t.Errorf("%d of one restaurant, %v", len(page), err)
	}
}

// Foreseeing changes nothing, not even for whoever comes next.
func TestForesee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results, err := w.Foresee(t.Context(), []order.Entry{{EventID: "x", Type: "checkout.session.completed", RestaurantID: "r", Contribution: linked}})
	if err != nil || results[0].Transition == nil || results[0].Transition.OrderTo != order.Paid {
		t.Errorf("%+v, %v", results, err)
	}
	if got := w.states(); got != "PAYMENT_PENDING PENDING cs_test_1" {
		t.Error(got)
	}
	if r := w.settle(w.event("1", "r", linked))[0]; r.Err != nil || r.Outcome != event.Applied {
		t.Errorf("afterwards: %+v", r)
	}
}

// What we asked for says nothing about whether deliveries get through.
func TestAskedEventsAreNoDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withKeys()
	r := record("1", "evt_1")
	r.Source = event.Backfilled
	if _, err := w.InsertEvents(t.Context(), []event.Record{r}); err != nil {
		t.Fatal(err)
	}
	exec(t, w.DB, `UPDATE "WebhookEvent" SET status = 'COMPLETED', outcome = 'applied'`)
	for _, delivered := range []bool{false, true} {
		if delivered {
			exec(t, w.DB, `UPDATE "WebhookEvent" SET source = 'webhook'`)
		}
		h, err := w.WebhookHealth(t.Context())
		if err != nil || (h.LastSuccessfulWebhook != nil) != delivered {
			t.Errorf("health: %+v, %v, delivered: %t", h, err, delivered)
		}
		use, err := w.WebhookUse(t.Context(), "r")
		if err != nil || (use["r"].AcceptedAt != nil) != delivered {
			t.Errorf("use: %+v, %v, delivered: %t", use["r"], err, delivered)
		}
	}
}

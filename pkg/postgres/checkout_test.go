package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// withOrder is a database with a restaurant's order of two lines.
func withOrder(t *testing.T) *postgres.DB {
	t.Helper()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'Trattoria', 'r'), ('s', 'S', 's')`)
	p := order.Placing{OrderID: "o", RestaurantID: "r", Total: order.Money{Amount: 2150, Currency: "eur"}, RequestHash: []byte("x"),
		Lines: []order.Line{{Name: "Margherita", Quantity: 2, UnitAmount: 950}, {Name: "Acqua", Quantity: 1, UnitAmount: 250}}}
	if _, _, err := d.PlaceOrder(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return d
}

func start(paymentID string, dead ...string) order.CheckoutStart {
	return order.CheckoutStart{OrderID: "o", PaymentID: paymentID, Dead: dead,
		Request: order.CheckoutRequest{ExpiresAt: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), SuccessURL: "https://s", CancelURL: "https://c"}}
}

// payments is "id status session" of each payment, and the order's status.
func payments(t *testing.T, d *postgres.DB) string {
	t.Helper()
	return get[string](t, d, `SELECT o.status || coalesce(': ' || string_agg(concat_ws(' ', p.id, p.status, p."providerPaymentId"), ', ' ORDER BY p.id) FILTER (WHERE p.id IS NOT NULL), '')
		FROM "Order" o LEFT JOIN "Payment" p ON p."orderId" = o.id WHERE o.id = 'o' GROUP BY o.id`)
}

func TestACheckoutIsRepeatedWordForWord(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	begin := func(s order.CheckoutStart) order.Checkout {
		t.Helper()
		c, err := d.BeginCheckout(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	request := start("").Request
	request.RestaurantID, request.OrderID, request.PaymentID, request.Currency = "r", "o", "p1", "eur"
	request.Lines = []order.Line{{Name: "Margherita", Quantity: 2, UnitAmount: 950}, {Name: "Acqua", Quantity: 1, UnitAmount: 250}}
	want := order.Checkout{RestaurantID: "r", PaymentID: "p1", Request: request, Attempt: 1}
	if diff := cmp.Diff(want, begin(start("p1"))); diff != "" {
		t.Error("the first (-want +got)\n", diff)
	}
	if got := payments(t, d); got != "PAYMENT_PENDING: p1 PENDING" {
		t.Error(got)
	}
	// After a crash: other words, at another time, from another process.
	again := start("p2")
	again.Request.ExpiresAt, again.Request.SuccessURL = time.Now(), "https://moved"
	if diff := cmp.Diff(want, begin(again)); diff != "" {
		t.Error("again (-want +got)\n", diff)
	}
	// Stripe has refused it: the next one is another to Stripe, of the same payment.
	if err := d.DropRequest(t.Context(), "p1", 1); err != nil {
		t.Fatal(err)
	}
	third := begin(again)
	if third.Attempt != 2 || third.PaymentID != "p1" || third.Request.SuccessURL != "https://moved" {
		t.Errorf("after a refusal: %+v", third)
	}
	// Too old to be repeated.
	exec(t, d, `UPDATE "Checkout" SET "requestedAt" = now() - interval '21 minutes'`)
	if c := begin(start("p3")); c.Attempt != 3 || c.PaymentID != "p1" {
		t.Errorf("long after: %+v", c)
	}
	if err := d.KeepSession(t.Context(), "p1", 2, "cs_test_old"); !errors.Is(err, order.ErrSuperseded) {
		t.Errorf("the answer to an older request: %v", err)
	}
	for range 2 { // whoever asked at the same time got the same
		if err := d.KeepSession(t.Context(), "p1", 3, "cs_test_1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.KeepSession(t.Context(), "p1", 3, "cs_test_2"); !errors.Is(err, order.ErrSuperseded) {
		t.Errorf("another session: %v", err)
	}
	if got := payments(t, d) + get[string](t, d, `SELECT ' ' || "objectId" || ' ' || "paymentId" FROM "PaymentObject"`); got != "PAYMENT_PENDING: p1 PENDING cs_test_1 cs_test_1 p1" {
		t.Error(got)
	}
	if diff := cmp.Diff(order.Checkout{RestaurantID: "r", PaymentID: "p1", SessionID: "cs_test_1"}, begin(start("p4"))); diff != "" {
		t.Error("with a session (-want +got)\n", diff)
	}
	exec(t, d, `UPDATE "Order" SET "totalAmount" = 3000 WHERE id = 'o'`)
	if c := begin(start("p4")); !c.Outdated || c.SessionID != "cs_test_1" {
		t.Errorf("after the total has changed: %+v", c)
	}
	c := begin(start("p4", "p1"))
	if diff := cmp.Diff([]order.Line{{Name: "Trattoria", Quantity: 1, UnitAmount: 3000}}, c.Request.Lines); diff != "" || c.PaymentID != "p4" {
		t.Errorf("%+v (-want +got)\n%s", c, diff)
	}
}

// An order whose session has expired waits again; one that is paid does not.
func TestACheckoutAfterTheEnd(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	if _, err := d.BeginCheckout(t.Context(), start("p1")); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE "Payment" SET status = 'EXPIRED', facts = '{"session": "cs_test_1", "expired": true}'`)
	exec(t, d, `UPDATE "Order" SET status = 'EXPIRED'`)
	c, err := d.BeginCheckout(t.Context(), start("p2"))
	if err != nil || c.PaymentID != "p2" || c.Attempt != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if got := payments(t, d); got != "PAYMENT_PENDING: p1 EXPIRED, p2 PENDING" {
		t.Error(got)
	}
	if got := get[string](t, d, `SELECT concat_ws(' ', "orderFrom", "orderTo", "paymentId", reason) FROM "OrderTransition"`); got != "EXPIRED PAYMENT_PENDING p2 checkout begun again" {
		t.Error(got)
	}
	tx := begun(t, d, `UPDATE "Payment" SET status = status WHERE id = 'p2'`)
	begun := make(chan error)
	go func() {
		c, err := d.BeginCheckout(t.Context(), start("p3"))
		if err == nil && c.PaymentID != "p2" {
			err = fmt.Errorf("it is of payment %s", c.PaymentID)
		}
		begun <- err
	}()
	waitForLocks(t, d, 1, begun)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-begun; err != nil {
		t.Error("after somebody has held a payment:", err)
	}
	exec(t, d, `UPDATE "Order" SET status = 'PAID'`)
	if _, err := d.BeginCheckout(t.Context(), start("p3")); !errors.Is(err, order.ErrPaid) {
		t.Errorf("of a paid order: %v", err)
	}
	if got := payments(t, d); got != "PAID: p1 EXPIRED, p2 PENDING" {
		t.Error(got)
	}
	s := start("p")
	s.OrderID = "nobody"
	if _, err := d.BeginCheckout(t.Context(), s); !errors.Is(err, order.ErrNoOrder) {
		t.Errorf("of no order: %v", err)
	}
}

// What the ordering application has stored by its own SQL is used.
func TestACheckoutUsesThePaymentThatThereIs(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", provider, status, amount, currency) VALUES ('theirs', 'o', 'STRIPE', 'PENDING', 2150, 'EUR')`)
	if c, err := d.BeginCheckout(t.Context(), start("p1")); err != nil || c.PaymentID != "theirs" || c.SessionID != "" {
		t.Errorf("%+v, %v", c, err)
	}
	exec(t, d, `UPDATE "Payment" SET "providerPaymentId" = 'cs_test_theirs'`)
	if c, err := d.BeginCheckout(t.Context(), start("p1")); err != nil || c.PaymentID != "theirs" || c.SessionID != "cs_test_theirs" {
		t.Errorf("%+v, %v", c, err)
	}
}

// However many ask at once, from however many processes, it is one payment.
func TestManyCheckoutsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	var asking sync.WaitGroup
	got := make([]order.Checkout, 12)
	for i := range got {
		asking.Go(func() {
			c, err := d.BeginCheckout(context.Background(), start(fmt.Sprint("p", i)))
			if err != nil {
				t.Error(err)
			}
			got[i] = c
		})
	}
	asking.Wait()
	for _, c := range got {
		if diff := cmp.Diff(got[0], c); diff != "" {
			t.Error("(-one +other)\n", diff)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM "Payment"`); n != 1 {
		t.Errorf("%d payments", n)
	}
}

// One idempotency key of a restaurant makes one order, also at once.
func TestManyPlacingsAtOnceAreOneOrder(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	place := func(i int, restaurant, hash string) (order.View, bool, error) {
		return d.PlaceOrder(context.Background(), order.Placing{OrderID: fmt.Sprint(restaurant, hash, i), RestaurantID: restaurant,
			Total: order.Money{Amount: 100, Currency: "eur"}, IdempotencyKey: "k", RequestHash: []byte(hash)})
	}
	var asking sync.WaitGroup
	ids, replays := make([]string, 12), make([]bool, 12)
	for i := range ids {
		asking.Go(func() {
			v, replayed, err := place(i, "r", "h")
			if err != nil {
				t.Error(err)
			}
			ids[i], replays[i] = v.ID, replayed
		})
	}
	asking.Wait()
	fresh := 0
	for i, id := range ids {
		if id != ids[0] || id == "" {
			t.Errorf("%q beside %q", id, ids[0])
		}
		if !replays[i] {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d were made", fresh)
	}
	if _, _, err := place(99, "r", "other"); !errors.Is(err, order.ErrReplayed) {
		t.Errorf("another request: %v", err)
	}
	if v, replayed, err := place(0, "s", "other"); err != nil || replayed || v.RestaurantID != "s" {
		t.Errorf("another restaurant: %+v %t %v", v, replayed, err)
	}
}

func TestShopKeysCountUntilTheyAreRevoked(t *testing.T) {
	t.Parallel()
	d := withOrder(t)
	by := postgres.Operator{Actor: "anna", Action: "apikeys"}
	if err := d.CreateShopKey(t.Context(), by, event.ShopKey{ID: "key_1", RestaurantID: "r", Name: "shop", Prefix: "thk_abc"}, []byte("hash")); err != nil {
		t.Fatal(err)
	}
	if k, err := d.FindShopKey(t.Context(), []byte("hash")); err != nil || k.RestaurantID != "r" || k.ID != "key_1" {
		t.Errorf("%+v, %v", k, err)
	}
	audit := `SELECT string_agg(concat_ws(' ', actor, "restaurantId", target, detail), '; ' ORDER BY id) FROM "AuditEntry" WHERE actor = 'anna'`
	before := get[string](t, d, audit)
	for _, at := range []int64{2_000_000, 1_000_000} {
		if err := d.PutShopKeyUses(t.Context(), []string{"key_0", "key_1"}, []int64{at, at}); err != nil {
			t.Fatal(err)
		}
	}
	if got := get[string](t, d, `SELECT extract(epoch FROM "lastUsedAt")::bigint::text FROM "ApiKey"`); got != "2" || get[string](t, d, audit) != before {
		t.Errorf("used at %s, audit %s", got, get[string](t, d, audit))
	}
	if err := d.RevokeShopKey(t.Context(), by, "key_1"); err != nil {
		t.Fatal(err)
	}
	if err := d.RevokeShopKey(t.Context(), by, "key_1"); !errors.Is(err, event.ErrNoShopKey) {
		t.Errorf("twice: %v", err)
	}
	if _, err := d.FindShopKey(t.Context(), []byte("hash")); !errors.Is(err, event.ErrNoShopKey) {
		t.Errorf("revoked: %v", err)
	}
	if got := get[string](t, d, audit); got != before+"; anna r key_1 revokedAt" {
		t.Error(got)
	}
}

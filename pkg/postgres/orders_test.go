package postgres_test

import (
	"flag"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/db"
	"tillhook/pkg/event"
)

var manyOrders = flag.Int("orders", 20_000, "how many orders TestManyOrdersAreReckoned has")

// Few orders are counted, one by one.
func TestFewOrdersAreCounted(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
		SELECT 'o' || n, 'r', (ARRAY['PAID', 'PAID', 'PAID', 'REFUNDED', 'EXPIRED', 'PAYMENT_PENDING', 'PAYMENT_PENDING', 'PREPARING'])[n % 8 + 1], 1, 'eur' FROM generate_series(0, 15) n`)
	got, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []event.OrdersOf{{Status: "PAID", Orders: 6}, {Status: "EXPIRED", Orders: 2}, {Status: "PREPARING", Orders: 2}, {Status: "REFUNDED", Orders: 2}, {Status: "PAYMENT_PENDING", Orders: 4}}
	if diff := cmp.Diff(want, got.Orders); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Many orders are reckoned from the server's statistics: within milliseconds,
// about right, and without a look at the orders.
//
//	go test ./pkg/postgres -run ManyOrders -orders 1000000 -v
func TestManyOrdersAreReckoned(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	insert := func(first, last int) {
		t.Helper()
		for ; first < last; first += 50_000 {
			exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
				SELECT 'order-' || n, 'r', CASE WHEN n % 100 = 0 THEN 'PAYMENT_PENDING' WHEN n % 10 = 1 THEN 'REFUNDED' ELSE 'PAID' END, 1, 'eur'
				FROM generate_series($1::int, $2::int - 1) n`, first, min(first+50_000, last))
		}
	}
	insert(0, *manyOrders)
	exec(t, d, `ANALYZE "Order"`)
	insert(*manyOrders, *manyOrders*11/10) // since then
	got, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Other tests share the machine: what counts is the fastest.
	fastest := time.Hour
	for range 20 {
		var all []event.OrdersOf
		started := time.Now()
		if err := d.Select(&all, db.Query("order_count"), 128); err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(started))
	}
	counts := map[string]float64{}
	for _, of := range got.Orders {
		counts[of.Status] = float64(of.Orders)
	}
	all := float64(*manyOrders * 11 / 10)
	t.Logf("%v of %.0f, within %s", counts, all, fastest)
	for status, share := range map[string]float64{"PAID": 0.89, "REFUNDED": 0.1, "PAYMENT_PENDING": 0.01} {
		if got, want := counts[status], share*all; got < 0.9*want || got > 1.1*want {
			t.Errorf("%.0f are %s, want about %.0f", got, status, want)
		}
	}
	if *manyOrders >= 1_000_000 && fastest > 10*time.Millisecond {
		t.Errorf("it took %s", fastest)
	}
	for _, s := range explain(t, d, db.Query("order_count"), 128) {
		if s.Table == "Order" && s.Hit+s.Read > 0 {
			t.Errorf("%d pages of orders are read", s.Hit+s.Read)
		}
	}
}

// A page of orders by a rare status looks no further than one by a common status,
// and says where to look on. What waits for its payment has an index.
func TestARareStatusIsLookedForPageByPage(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
		SELECT 'o' || i, 'r', CASE i WHEN 25000 THEN 'REFUNDED' WHEN 24999 THEN 'PAYMENT_PENDING' ELSE 'PAID' END, 100, 'eur', now() - make_interval(secs => i)
		FROM generate_series(1, 25000) i`)
	exec(t, d, `ANALYZE "Order"`)
	type step struct {
		Orders, Last string
		Partial      bool
	}
	search := func(status string) (steps []step) {
		var before time.Time
		var beforeID string
		for {
			page, err := d.OrdersPage(t.Context(), status, "", before, beforeID, 51)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, o := range page.Orders {
				ids = append(ids, o.ID)
			}
			steps = append(steps, step{strings.Join(ids, " "), page.LookedID, page.Partial})
			if before, beforeID = page.LookedTo, page.LookedID; !page.Partial || len(steps) > 5 {
				return steps
			}
		}
	}
	want := []step{{"", "o10000", true}, {"", "o20000", true}, {"o25000", "o25000", false}}
	if diff := cmp.Diff(want, search("REFUNDED")); diff != "" {
		t.Errorf("REFUNDED (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]step{{"o24999", "o24999", false}}, search("PAYMENT_PENDING")); diff != "" {
		t.Errorf("PAYMENT_PENDING (-want +got)\n%s", diff)
	}

	tx, err := d.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(db.Query("plan_in_order")); err != nil {
		t.Fatal(err)
	}
	for status, scan := range map[string]int{"REFUNDED": 10_000, "PAID": 10_000, "PAYMENT_PENDING": 51, "": 51} {
		var lines []string
		if err := tx.Select(&lines, `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) `+db.Query("order_page"), status, "", nil, "", 51, scan); err != nil {
			t.Fatal(err)
		}
		scans := regexp.MustCompile(`Scan.* on "Order" .*rows=([0-9]+)`).FindAllStringSubmatch(strings.Join(lines, "\n"), -1)
		if len(scans) == 0 {
			t.Error("no orders are read:", lines)
		}
		for _, m := range scans {
			if n, _ := strconv.Atoi(m[1]); n > scan || strings.Contains(m[0], "Seq Scan") {
				t.Errorf("by %q, %s orders are read: %s", status, m[1], m[0])
			}
		}
	}
}

package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
)

// feed collects what a listener is told. A nil is "everything".
type feed struct {
	mu    sync.Mutex
	heard [][]string
	came  chan struct{}
}

func watchOrders(t *testing.T, d *postgres.DB) *feed {
	t.Helper()
	f := &feed{came: make(chan struct{}, 10_000)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- d.WatchOrders(ctx, func(ids []string) {
			f.mu.Lock()
			f.heard = append(f.heard, ids)
			f.mu.Unlock()
			f.came <- struct{}{}
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	f.wait(t) // it listens
	return f
}

func (f *feed) wait(t *testing.T) {
	t.Helper()
	select {
	case <-f.came:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was heard for 30 s")
	}
}

// until waits until the id was heard, and answers all ids so far, sorted.
func (f *feed) until(t *testing.T, id string) []string {
	t.Helper()
	for {
		f.mu.Lock()
		all := slices.Sorted(slices.Values(slices.Concat(f.heard...)))
		f.mu.Unlock()
		if slices.Contains(all, id) {
			return all
		}
		f.wait(t)
	}
}

// Only orders whose status has become another are told of, however they are
// changed, and whatever their ids hold.
func TestTheFeedTellsOfOrdersThatHaveChanged(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	odd := "o \"2\"\n,[ä]"
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) SELECT unnest($1::text[]), 'r', 1, 'eur'`,
		"{o1,o3,end}")
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ($1, 'r', 1, 'eur')`, odd)
	f := watchOrders(t, d)
	exec(t, d, `UPDATE "Order" SET "totalAmount" = 2`)                               // no status
	exec(t, d, `UPDATE "Order" SET status = 'PAYMENT_PENDING'`)                      // the same
	exec(t, d, `UPDATE "Order" SET status = 'PAID' WHERE id = $1 OR id = 'o1'`, odd) // two
	exec(t, d, `BEGIN; UPDATE "Order" SET status = 'PAID' WHERE id = 'o3'; ROLLBACK`)
	exec(t, d, `DELETE FROM "Order" WHERE id = 'o3'`)
	exec(t, d, `UPDATE "Order" SET status = 'CANCELLED' WHERE id = 'end'`)
	if diff := cmp.Diff([]string{"end", odd, "o1"}, f.until(t, "end")); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A statement that changes thousands fits into few notifications, each within
// Postgres's 8000 bytes, and an id that fits into none does no harm.
func TestTheFeedTellsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) SELECT 'order-' || n, 'r', 1, 'eur' FROM generate_series(1, 3000) n`)
	// In JSON each of its characters takes six bytes.
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ($1, 'r', 1, 'eur')`, strings.Repeat("\x01", 2000))
	f := watchOrders(t, d)
	exec(t, d, `UPDATE "Order" SET status = 'PAID'`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('zz', 'r', 1, 'eur')`)
	exec(t, d, `UPDATE "Order" SET status = 'PAID' WHERE id = 'zz'`)
	got := f.until(t, "zz")
	var want []string
	for n := range 3000 {
		want = append(want, fmt.Sprint("order-", n+1))
	}
	slices.Sort(want)
	if diff := cmp.Diff(append(want, "zz"), got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if n := len(f.heard); n > 15 {
		t.Errorf("%d notifications", n)
	}
}

// When the connection is back, whatever may have been missed is to be read.
func TestTheFeedComesBack(t *testing.T) {
	t.Parallel()
	pg := devstack.OwnPostgres(t)
	if err := migrate(pg.URL); err != nil {
		t.Fatal(err)
	}
	d := open(t, pg.URL)
	f := watchOrders(t, d)
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wait(t)
	if last := f.heard[len(f.heard)-1]; last != nil {
		t.Errorf("it was told of %v, want of everything", last)
	}
}

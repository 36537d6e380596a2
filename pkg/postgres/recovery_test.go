package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// claimed is the ids of every page that a worker gets in one pass.
func claimed(t *testing.T, d *postgres.DB, limit int) (ids []string) {
	t.Helper()
	var last event.Unfinished
	for {
		page, err := d.ClaimUnfinished(context.Background(), time.Minute, time.Hour, last, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return ids
		}
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		last = page[len(page)-1]
	}
}

// aged stores n events that have been unfinished for an hour, the last one for
// the longest time.
func (w *world) aged(n int) {
	w.t.Helper()
	for i := range n {
		w.event(fmt.Sprint(i+1), "r", linked)
	}
	exec(w.t, w.DB, `UPDATE "WebhookEvent" SET "createdAt" = now() - interval '1 hour' - id::int * interval '1 second'`)
}

func TestUnfinishedEventsAreClaimedOldestFirstAndOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aged(4)
	exec(t, w.DB, `UPDATE "WebhookEvent" SET status = 'COMPLETED' WHERE id = '2'`)
	w.event("5", "r", linked) // too young
	if diff := cmp.Diff([]string{"4", "3", "1"}, claimed(t, w.DB, 2)); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if ids := claimed(t, w.DB, 2); ids != nil {
		t.Errorf("%v are claimed twice", ids)
	}
}

// The claims of a worker that is gone come free by themselves; others are
// moved, by what is known of their tasks.
func TestClaimsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	w.aged(4)
	claimed(t, w.DB, 10)
	exec(t, w.DB, `UPDATE "RecoveryClaim" SET until = now() - interval '1 second' WHERE "eventId" = '3'`)
	if diff := cmp.Diff([]string{"3"}, claimed(t, w.DB, 10)); diff != "" {
		t.Error("after its time (-want +got)\n", diff)
	}
	if err := w.MoveClaims(ctx, []string{"1", "4", "2"}, []time.Duration{-time.Second, 0, time.Minute}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"4", "1"}, claimed(t, w.DB, 10)); diff != "" {
		t.Error("given free (-want +got)\n", diff)
	}
	exec(t, w.DB, `UPDATE "RecoveryClaim" SET until = now() - interval '1 second' WHERE "eventId" IN ('1', '3')`)
	if err := w.EndClaims(ctx); err != nil {
		t.Fatal(err)
	}
	if got := get[string](t, w.DB, `SELECT string_agg("eventId", ' ' ORDER BY "eventId") FROM "RecoveryClaim"`); got != "2 4" {
		t.Errorf("claims of %s are left, want those of 2 and 4", got)
	}
}

// What is being worked on needs no looking after, and nobody waits for it.
func TestEventsThatAreBeingWorkedOnAreNotClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aged(3)
	begun(t, w.DB, `SELECT FROM "WebhookEvent" WHERE id = '2' FOR UPDATE`)
	if diff := cmp.Diff([]string{"3", "1"}, claimed(t, w.DB, 10)); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Workers that look at the same time share what there is.
func TestWorkersShareTheClaims(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	const events = 3000
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT n, 'charge.succeeded', 'PROCESSING', 'r', '{}', now(), now() - interval '1 hour' + n * interval '1 ms', n
		FROM generate_series(1, $1::int) AS n`, events)
	shares := make([][]string, 4)
	var running sync.WaitGroup
	for i := range shares {
		running.Go(func() { shares[i] = claimed(t, d, 50) })
	}
	running.Wait()
	all := slices.Concat(shares...)
	t.Logf("shares of %d, %d, %d and %d", len(shares[0]), len(shares[1]), len(shares[2]), len(shares[3]))
	slices.Sort(all)
	if distinct := len(slices.Compact(slices.Clone(all))); distinct != events || len(all) != events {
		t.Errorf("%d claims of %d events, want one of each of %d", len(all), distinct, events)
	}
}

// A task of another version may know no more than the event's id.
func TestAnEventIsFoundByItsIDAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, known := w.event("1", "r", linked), w.event("2", "r", charge)
	broken := w.event("3", "r", linked)
	a.OccurredAt, broken.OccurredAt = time.Time{}, time.Time{}
	gone := event.Attempt{Ref: event.Ref{ID: "4"}, Number: 1}
	results := w.settle(a, gone, known)
	if results[0].Outcome != event.Applied || results[2].Err != nil || results[1].Outcome != "" || results[1].Err != nil {
		t.Errorf("%+v", results)
	}
	if err := w.FailEvent(context.Background(), broken, "null byte"); err != nil {
		t.Fatal(err)
	}
	if got := []string{w.eventState(a), w.eventState(broken)}; got[0] != "COMPLETED applied 1" || got[1] != "FAILED 1 null byte" {
		t.Error(got)
	}
}

// Somebody holds the order at the very last attempt: that is no reason for the
// event to end.
func TestAnOutageAtTheLastAttemptEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.event("1", "r", linked)
	a.Number, a.Last = 26, true
	tx := begun(t, w.DB, `UPDATE "Order" SET status = status WHERE id = 'o'`)
	if r := w.settle(a); !errors.Is(r[0].Err, order.ErrBusy) {
		t.Fatal(r)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := w.eventState(a); got != "PROCESSING 0" {
		t.Errorf("while the order is held: %s", got)
	}
	w.settle(a)
	if got := w.eventState(a) + ", " + w.states(); got != "COMPLETED applied 26, PAID COMPLETED pi_1" {
		t.Error(got)
	}
}

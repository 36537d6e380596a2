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
)

var created = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func record(id, providerEventID string) event.Record {
	return event.Record{
		ID: id, ProviderEventID: providerEventID, Type: "charge.succeeded", Status: event.Processing,
		RestaurantID: "r", APIVersion: "2023-10-16", Payload: []byte(`{"id":"` + providerEventID + `"}`), OccurredAt: created,
	}
}

func TestInsertEventsStoresTheExactBytesOnce(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	ctx := context.Background()
	odd := record("1", "evt_a")
	odd.Payload = []byte("{\"\\u0000\": \"\x00\xff'\\\\\"}")
	batch := []event.Record{odd, record("2", "evt_a"), record("3", "evt_b")}
	news, err := d.InsertEvents(ctx, batch)
	if diff := cmp.Diff([]bool{true, false, true}, news); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
	again, err := d.InsertEvents(ctx, []event.Record{record("4", "evt_b"), record("5", "evt_c")})
	if diff := cmp.Diff([]bool{false, true}, again); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
	if got := get[[]byte](t, d, `SELECT payload FROM "WebhookEvent" WHERE id = $1`, "1"); string(got) != string(odd.Payload) {
		t.Errorf("stored %q, sent %q", got, odd.Payload)
	}
	for id, payload := range map[string]string{"3": `{"id":"evt_b"}`, "5": `{"id":"evt_c"}`} {
		if got := get[[]byte](t, d, `SELECT payload FROM "WebhookEvent" WHERE id = $1`, id); string(got) != payload {
			t.Errorf("row %s holds %q", id, got)
		}
	}
}

// Two restaurants may have the same event id: one of them can be a forger.
func TestDedupeIsPerRestaurantAndOnlyOfVerifiedRows(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	ctx := context.Background()
	other := record("2", "evt_a")
	other.RestaurantID = "r2"
	forged := record("0", "evt_a")
	forged.Status, forged.LastError = event.VerificationFailed, "no secret matches"
	forgedAgain, nobody := forged, forged
	forgedAgain.ID, nobody.ID, nobody.RestaurantID, nobody.Status = "01", "02", "", event.NoConfig
	news, err := d.InsertEvents(ctx, []event.Record{forged, forgedAgain, nobody, record("1", "evt_a"), other})
	if diff := cmp.Diff([]bool{true, true, true, true, true}, news); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestAbsurdTimesGoToTheDefaultPartition(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	var batch []event.Record
	for i, at := range []time.Time{time.Unix(0, 0), time.Unix(253402300799, 0), time.Now()} {
		r := record(fmt.Sprint(i), fmt.Sprint("evt_", i))
		r.OccurredAt = at
		batch = append(batch, r)
	}
	if _, err := d.InsertEvents(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM "WebhookEvent_default"`); n != 2 {
		t.Errorf("%d rows in the default partition, want the two absurd ones", n)
	}
}

func TestARowThatCannotBeStoredIsToldFromAServerThatIsAway(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	bad := record("1", "evt_\x00")
	if _, err := d.InsertEvents(context.Background(), []event.Record{bad}); !errors.Is(err, event.ErrUnstorable) {
		t.Errorf("a NUL in an id: %v", err)
	}
	away := open(t, "postgres://nobody:x@127.0.0.1:1/none")
	if _, err := away.InsertEvents(context.Background(), []event.Record{record("1", "evt_a")}); err == nil || errors.Is(err, event.ErrUnstorable) {
		t.Errorf("no server: %v", err)
	}
}

// Sorted batches of the same events wait for each other; unsorted ones would
// be killed as deadlocked.
func TestConcurrentDuplicatesNeitherDeadlockNorDouble(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	const writers, rounds, size = 4, 20, 64
	var wg sync.WaitGroup
	stored := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				var batch []event.Record
				for i := range size {
					batch = append(batch, record(fmt.Sprintf("%d-%d-%d", w, round, i), fmt.Sprintf("evt_%03d_%03d", round, i)))
				}
				news, err := d.InsertEvents(context.Background(), batch)
				if err != nil {
					t.Error(err)
				}
				for _, isNew := range news {
					if isNew {
						stored[w]++
					}
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range stored {
		total += n
	}
	if rows := get[int](t, d, `SELECT count(*) FROM "WebhookEvent"`); total != rounds*size || rows != rounds*size {
		t.Errorf("%d reported new, %d rows, want %d of each", total, rows, rounds*size)
	}
}

func TestWebhookHealth(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	ctx := context.Background()
	got, err := d.WebhookHealth(ctx)
	if diff := cmp.Diff(event.Health{}, got); err != nil || diff != "" {
		t.Errorf("empty: %v (-want +got)\n%s", err, diff)
	}
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_a')`)
	failed := record("1", "evt_x")
	failed.Status = event.VerificationFailed
	if _, err := d.InsertEvents(ctx, []event.Record{failed, record("2", "evt_a")}); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE "WebhookEvent" SET status = 'COMPLETED', "createdAt" = '2026-01-09T23:30:00+01:00' WHERE id = '2'`)
	at := time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC)
	got, err = d.WebhookHealth(ctx)
	if diff := cmp.Diff(event.Health{Configured: true, LastSuccessfulWebhook: &at, RecentFailures: 1}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

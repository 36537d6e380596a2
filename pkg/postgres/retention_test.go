package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// old is a Wednesday long ago, the first of the weeks that oldWeeks makes.
var old = time.Date(2024, 1, 10, 12, 0, 0, 0, time.UTC)

// oldWeeks is a database with so many weeks from old on besides the usual ones.
func oldWeeks(t *testing.T, weeks int) *postgres.DB {
	t.Helper()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `SELECT tillhook_create_partitions($1, $2)`, old, old.AddDate(0, 0, 7*weeks-3))
	return d
}

// stored is an event of a time, in a state, stored when it happened or, if that
// is absurd, at old.
func stored(t *testing.T, d *postgres.DB, id, status string, at time.Time) {
	t.Helper()
	createdAt := at
	if year := at.Year(); year < 2020 || year > 2030 {
		createdAt = old
	}
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey", "providerEventId")
		VALUES ($1, 'x', $2, 'r', '', $3, $4, CASE WHEN $2 IN ('VERIFICATION_FAILED', 'NO_CONFIG') THEN NULL ELSE $1 END, 'evt_' || $1)`, id, status, at, createdAt)
}

func names(t *testing.T, d *postgres.DB) string {
	t.Helper()
	return get[string](t, d, `SELECT coalesce(string_agg(id, ' ' ORDER BY id), '') FROM "WebhookEvent"`)
}

func TestPartitionsAreListed(t *testing.T) {
	t.Parallel()
	d := oldWeeks(t, 1)
	now := time.Now().UTC().Truncate(time.Second)
	stored(t, d, "a", "COMPLETED", old)
	stored(t, d, "b", "PROCESSING", old)
	stored(t, d, "absurd", "PROCESSING", time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
	stored(t, d, "newest", "COMPLETED", now)
	exec(t, d, `ANALYZE "WebhookEvent_20240108"`)
	all, clocks, err := d.Partitions(context.Background())
	if err != nil || len(all) < 12 {
		t.Fatal(all, err)
	}
	monday := time.Date(2024, 1, 8, 0, 0, 0, 0, time.UTC)
	want := []event.Partition{
		{Name: "WebhookEvent_20240108", From: monday, To: monday.AddDate(0, 0, 7), Rows: 2, Unfinished: 1},
		{Name: "WebhookEvent_default", Rows: -1, Unfinished: 1},
	}
	if diff := cmp.Diff(want, []event.Partition{all[0], all[len(all)-1]}, cmpopts.IgnoreFields(event.Partition{}, "Bytes")); diff != "" || all[0].Bytes < 8192 {
		t.Errorf("%d bytes (-want +got)\n%s", all[0].Bytes, diff)
	}
	if diff := cmp.Diff(event.Clocks{Database: now, Stored: now, Created: now}, clocks, cmpopts.EquateApproxTime(time.Minute)); diff != "" {
		t.Error("clocks (-want +got)\n", diff)
	}
}

// Neither a week that holds an unfinished event goes, nor one that is too
// young, whatever the caller believes; and each that goes leaves a line.
func TestAWeekIsDroppedOnlyWhenItIsFinished(t *testing.T) {
	t.Parallel()
	d := oldWeeks(t, 3)
	stored(t, d, "1", "COMPLETED", old)
	stored(t, d, "2", "VERIFICATION_FAILED", old)
	stored(t, d, "3", "FAILED", old.AddDate(0, 0, 7))
	stored(t, d, "4", "PROCESSING", old.AddDate(0, 0, 7))
	stored(t, d, "5", "COMPLETED", old.AddDate(0, 0, 14))
	now := time.Now()
	young := "WebhookEvent_" + now.AddDate(0, 0, -int(now.UTC().Weekday()+6)%7).UTC().Format("20060102")
	got := map[string]string{}
	for _, name := range []string{"WebhookEvent_20240108", "WebhookEvent_20240115", "WebhookEvent_default", "WebhookEvent_20240101", "Order", young} {
		kept, err := d.DropPartition(context.Background(), name, now.AddDate(10, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = kept
	}
	kept, err := d.DropPartition(context.Background(), "WebhookEvent_20240122", old.AddDate(0, 0, 14))
	if err != nil {
		t.Fatal(err)
	}
	got["WebhookEvent_20240122"] = kept
	want := map[string]string{
		"WebhookEvent_20240108": "", "WebhookEvent_20240115": "it holds unfinished events", "WebhookEvent_20240122": "it is too young",
		"WebhookEvent_default": "there is no such week", "WebhookEvent_20240101": "there is no such week", "Order": "there is no such week",
		young: "it is too young",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if left := names(t, d); left != "3 4 5" {
		t.Errorf("left: %s", left)
	}
	if got := get[string](t, d, `SELECT string_agg(concat_ws(' | ', actor, action, target, detail), E'\n') FROM "AuditEntry" WHERE actor = 'janitor'`); got != "janitor | drop partition | WebhookEvent_20240108 | 2024-01-08 to 2024-01-15, rows not counted" {
		t.Errorf("audit: %s", got)
	}
	if _, clocks, err := d.Partitions(context.Background()); err != nil || clocks.Dropped != 1 {
		t.Errorf("%d dropped lately, %v", clocks.Dropped, err)
	}
	// Finished, it goes too.
	exec(t, d, `UPDATE "WebhookEvent" SET status = 'FAILED' WHERE id = '4'`)
	if kept, err := d.DropPartition(context.Background(), "WebhookEvent_20240115", now); kept != "" || err != nil {
		t.Error(kept, err)
	}
}

// What happened to an order is told without its events, and an event of a week
// that is gone is stored like any other.
func TestAnOrdersStoryOutlivesItsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec(t, w.DB, `SELECT tillhook_create_partitions($1, $1::timestamptz + interval '1 second')`, created)
	a := w.event("1", "r", linked)
	w.settle(a)
	week := get[string](t, w.DB, `SELECT trim('"' FROM tableoid::regclass::text) FROM "WebhookEvent"`)
	before, err := w.OrderStory(context.Background(), "o")
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := w.DropPartition(context.Background(), week, time.Now()); kept != "" || err != nil {
		t.Fatal(week, kept, err)
	}
	after, err := w.OrderStory(context.Background(), "o")
	if err != nil || len(after.Transitions) != 1 {
		t.Fatalf("%v, %d transitions", err, len(after.Transitions))
	}
	before.Transitions[0].ProviderEventID = ""
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error("(-before +after)\n", diff)
	}
	if found, err := w.Events(context.Background(), postgres.EventFilter{IDs: []string{a.ID}, Limit: 1}); err != nil || len(found) != 0 {
		t.Errorf("the event: %v, %v", found, err)
	}
	if r := w.settle(a); r[0] != (order.Result{}) {
		t.Errorf("its task, long after: %+v", r)
	}
	if err := put(w.DB, "late"); err != nil {
		t.Error(err)
	}
}

// Finished rows of absurd times go by when they were stored, a few at a time;
// notes of waiting and uses of secrets when nothing refers to them.
func TestWhatHasNoWeekIsSwept(t *testing.T) {
	t.Parallel()
	d := oldWeeks(t, 1)
	ctx := context.Background()
	for i, status := range []string{"COMPLETED", "FAILED", "VERIFICATION_FAILED", "NO_CONFIG", "PROCESSING"} {
		stored(t, d, fmt.Sprint("ancient ", i), status, time.Date(1970, 1, 1, 0, 0, i, 0, time.UTC))
		stored(t, d, fmt.Sprint("future ", i), status, time.Date(2100, 1, 1, 0, 0, i, 0, time.UTC))
	}
	stored(t, d, "in its week", "COMPLETED", old)
	stored(t, d, "recent", "COMPLETED", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) // no partition, but not old enough
	stored(t, d, "waits", "PROCESSING", old)
	for _, id := range []string{"waits", "in its week", "gone"} {
		exec(t, d, `INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType") VALUES ('r', 'x', $1, $2, 'x'), ('r', 'y', $1, $2, 'x')`, id, old)
	}
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret", "previousWebhookSecret", "previousWebhookSecretFingerprint")
		VALUES ('c', 'r', 'whsec_a', 'whsec_b', 'previous')`)
	exec(t, d, `INSERT INTO "SecretUse" ("restaurantId", fingerprint, "lastUsedAt") SELECT 'r', "webhookSecretFingerprint", $1::timestamptz FROM "RestaurantPaymentConfig"
		UNION ALL VALUES ('r', 'previous', $1), ('r', 'replaced', $1), ('r', 'replaced lately', $2::timestamptz)`, old, old.AddDate(0, 6, 0))
	horizon := old.AddDate(0, 1, 0)
	if s, err := d.Sweep(ctx, time.Time{}, 3); err != nil || s != (event.Swept{Waiting: 4}) {
		t.Errorf("before the beginning of time: %+v, %v", s, err)
	}
	var sweeps []event.Swept
	for range 4 {
		s, err := d.Sweep(ctx, horizon, 3)
		if err != nil {
			t.Fatal(err)
		}
		sweeps = append(sweeps, s)
	}
	if diff := cmp.Diff([]event.Swept{{Events: 3, SecretUses: 1}, {Events: 3}, {Events: 2}, {}}, sweeps); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if left := names(t, d); left != "ancient 4 future 4 in its week recent waits" {
		t.Errorf("left: %s", left)
	}
	if left := get[string](t, d, `SELECT (SELECT string_agg("eventId", ' ') FROM "WaitingEvent") || ', ' || count(*) FROM "SecretUse" WHERE fingerprint <> 'replaced'`); left != "waits waits, 3" {
		t.Errorf("left: %s", left)
	}
}

// While weeks are dropped, and while somebody holds the table so that they
// can't be, deliveries are stored as ever.
func TestDroppingKeepsNoWriterWaiting(t *testing.T) {
	t.Parallel()
	const weeks = 8
	d := oldWeeks(t, weeks)
	for i := range weeks {
		exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, payload, "occurredAt")
			SELECT 'e' || n, 'x', 'NO_CONFIG', repeat('x', 1000)::bytea, $1 FROM generate_series(1, 2000) n`, old.AddDate(0, 0, 7*i))
	}
	ctx := context.Background()
	stop := make(chan struct{})
	var longest, written atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				started := time.Now()
				if err := put(d, fmt.Sprintf("%d-%06d", w, i)); err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
				for took := int64(time.Since(started)); ; {
					if most := longest.Load(); took <= most || longest.CompareAndSwap(most, took) {
						break
					}
				}
			}
		})
	}
	reader, err := d.Beginx() // as a backup, or a report
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(`SELECT count(*) FROM "WebhookEvent"`); err != nil {
		t.Fatal(err)
	}
	_, err = d.DropPartition(ctx, "WebhookEvent_20240108", time.Now())
	if !errors.Is(err, event.ErrContended) {
		t.Errorf("while somebody reads: %v", err)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	before, dropped := written.Load(), 0
	for i := range weeks {
		name := "WebhookEvent_" + old.AddDate(0, 0, 7*i-2).Format("20060102")
		eventually(t, name+" is dropped", func() bool {
			kept, err := d.DropPartition(ctx, name, time.Now())
			if err != nil && !errors.Is(err, event.ErrContended) || kept != "" {
				t.Fatal(kept, err)
			}
			return err == nil
		})
		dropped++
	}
	eventually(t, "writing goes on", func() bool { return written.Load() > before+100 })
	close(stop)
	writers.Wait()
	most := time.Duration(longest.Load())
	t.Logf("%d weeks dropped beside %d commits, the longest of which took %s", dropped, written.Load(), most)
	if most > time.Second {
		t.Errorf("a commit took %s", most)
	}
	if left := get[string](t, d, `SELECT coalesce(string_agg(name, ' '), '') FROM tillhook_partitions() WHERE ends < $1`, old.AddDate(0, 6, 0)); left != "" {
		t.Errorf("left: %s", left)
	}
}

// One process at a time, and after the first is done the next.
func TestOnlyOneIsAlone(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	ctx := context.Background()
	broken := errors.New("broken off")
	for range 2 {
		did, err := d.Alone(ctx, func(ctx context.Context) error {
			if did, err := d.Alone(ctx, func(context.Context) error { t.Error("two at once"); return nil }); did || err != nil {
				t.Errorf("beside another: %t, %v", did, err)
			}
			return broken
		})
		if !did || !errors.Is(err, broken) {
			t.Errorf("%t, %v", did, err)
		}
	}
}

package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/db"
	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// plan is what EXPLAIN says of one step.
type plan struct {
	Node  string `json:"Node Type"`
	Index string `json:"Index Name"`
	Table string `json:"Relation Name"`
	Hit   int    `json:"Shared Hit Blocks"`
	Read  int    `json:"Shared Read Blocks"`
	Plans []plan
}

// explain runs a query and answers its plan's steps, the whole one first.
func explain(t *testing.T, d *postgres.DB, query string, args ...any) []plan {
	t.Helper()
	var text string
	if err := d.Get(&text, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query, args...); err != nil {
		t.Fatal(err)
	}
	var whole []struct{ Plan plan }
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	steps := []plan{whole[0].Plan}
	for i := 0; i < len(steps); i++ {
		steps = append(steps, steps[i].Plans...)
	}
	return steps
}

// reads looks for a walk over a whole table of events, and counts pages.
func reads(t *testing.T, name string, steps []plan, most int) {
	t.Helper()
	for _, s := range steps {
		// Of an empty week there is nothing else to read.
		if strings.HasPrefix(s.Table, "WebhookEvent") && s.Node == "Seq Scan" && s.Hit+s.Read > 0 {
			t.Errorf("%s walks over all of %s", name, s.Table)
		}
	}
	if pages := steps[0].Hit + steps[0].Read; pages > most {
		t.Errorf("%s reads %d pages, %d at the most", name, pages, most)
	}
}

// backlogged has some finished events, and so many newer ones that wait.
func backlogged(t *testing.T, waiting int) *postgres.DB {
	t.Helper()
	d := migrated(t)
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey", "processedAt")
		SELECT 'old' || n, 'x', 'COMPLETED', 'r', '', now() - interval '1 hour', now() - interval '1 hour' - n * interval '1 s', 'old' || n, now()
		FROM generate_series(0, 19999) n`)
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT 'new' || n, 'x', 'PROCESSING', 'r', '', now(), now() - n * interval '1 ms', 'new' || n FROM generate_series(1, $1) n`, waiting)
	exec(t, d, `ANALYZE "WebhookEvent"`)
	return d
}

// Anybody may poll the health, and more so while there is a backlog.
func TestHealthIsFoundBehindABacklog(t *testing.T) {
	t.Parallel()
	d := backlogged(t, 50_000)
	reads(t, "webhook_health", explain(t, d, db.Query("webhook_health")), 150)
	h, err := d.WebhookHealth(t.Context())
	if err != nil || h.LastSuccessfulWebhook == nil || time.Since(*h.LastSuccessfulWebhook) < time.Hour {
		t.Errorf("%+v, %v", h, err)
	}
	started := time.Now()
	for range 20 {
		if _, err := d.WebhookHealth(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s each", time.Since(started)/20)
}

// A program whose schema isn't there yet says so, and one whose schema is newer
// works: migrations come first.
func TestTheSchemaIsTheOneThatIsNeeded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := open(t, devstack.Database(t, nil))
	old := func(when string) {
		t.Helper()
		if err := d.CheckSchema(ctx); !errors.Is(err, postgres.ErrSchema) {
			t.Errorf("%s: %v", when, err)
		}
	}
	old("an empty database")
	if _, err := d.MigrateUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckSchema(ctx); err != nil {
		t.Error(err)
	}
	if _, err := d.MigrateDown(ctx); err != nil {
		t.Fatal(err)
	}
	old("the last migration taken back")
	if _, err := d.MigrateUp(ctx); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (90000, true)`)
	if err := d.CheckSchema(ctx); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
}

// The observer's reading costs little, however much waits.
func TestStateIsReadFromIndexes(t *testing.T) {
	t.Parallel()
	d := backlogged(t, 50_000)
	exec(t, d, `INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType")
		SELECT 'r', 'o' || n, 'new' || 50001 - n, now(), 'x' FROM generate_series(1, 1000) n`) // the oldest
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret", "webhookSecretSetAt") VALUES ('c', 'r', 'whsec_x', now() - interval '100 days')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency, "createdAt") SELECT 'o' || n, 'r', 1, 'eur', now() - n * interval '10 hours' FROM generate_series(1, 4) n`)
	// Of these the first waits for a human, the second for a bank, the third for a bank that takes too long.
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency, "createdAt") SELECT 'p' || n, 'r', 1, 'eur', now() - n * interval '8 days' FROM generate_series(1, 3) n`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", status, amount, currency) SELECT 'p' || n, 'p' || n, CASE n WHEN 1 THEN 'REVIEW' ELSE 'PROCESSING' END, 1, 'eur' FROM generate_series(1, 3) n`)
	exec(t, d, `INSERT INTO "OrderTransition" ("orderId", "paymentId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
		VALUES ('p1', 'p1', 'PAYMENT_PENDING', 'PAYMENT_PENDING', 'PENDING', 'REVIEW', 'x')`)
	exec(t, d, `UPDATE "RestaurantPaymentConfig" SET "secretKey" = 'rk_test_1'`)
	exec(t, d, `INSERT INTO "BackfillCursor" ("restaurantId", kind, since, "coveredUntil", "lastError") VALUES ('r', 'periodic', now(), now(), 'refused'), ('r', 'ops', now(), now(), 'x')`)
	exec(t, d, `UPDATE "WebhookEvent" SET status = 'NO_CONFIG' WHERE id = 'new3'`)
	exec(t, d, `UPDATE "WebhookEvent" SET status = 'FAILED', "processedAt" = now() WHERE id IN ('new1', 'new2')`)
	exec(t, d, `DROP TABLE "WebhookEvent_`+get[string](t, d, `SELECT to_char(date_trunc('week', now() AT TIME ZONE 'UTC') + interval '7 days', 'YYYYMMDD')`)+`"`)
	exec(t, d, `VACUUM "WebhookEvent"`)
	reads(t, "state_read", explain(t, d, db.Query("state_read"), event.MaxCounted, 90000, event.UnderWayFor.Seconds()), 8000)
	got, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The newest of those that wait for nothing is the 49000th.
	if age := got.BacklogAge(); age < 48*time.Second || age > 3*time.Minute {
		t.Errorf("the backlog is %s old", age)
	}
	if days := int(got.SecretAge().Hours() / 24); days != 100 {
		t.Errorf("the secret is %d days old", days)
	}
	if got.Success == nil {
		t.Error("no success")
	}
	got.At, got.Oldest, got.OldestSecret, got.Success = time.Time{}, nil, nil, nil
	want := event.State{Unfinished: 49_997, Waiting: 1000, Failed: 2, NoConfig: 1, Pending: 7, Stuck: 3, Undecided: 1, Unaskable: 1, MissingWeeks: 1,
		Orders: []event.OrdersOf{{Status: "PAYMENT_PENDING", Orders: 7}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A restaurant's rhythm is found by skipping from hour to hour, and not by
// reading what was delivered in them.
func TestARhythmIsReadByTheHour(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	// Ten days, noon to midnight, a delivery every four seconds, the last one 8 h ago.
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', 'whsec_x')`)
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT 'e' || at, 'x', 'COMPLETED', 'r', '', at, at, 'e' || at
		FROM generate_series(0, 9) day, LATERAL (SELECT date_trunc('hour', now()) - interval '8 hours' - day * interval '1 day' - s * interval '4 s' AS at
			FROM generate_series(0, 10799) s) x`)
	exec(t, d, `ANALYZE "WebhookEvent"`)
	steps := explain(t, d, db.Query("rhythm_read"), "r")
	reads(t, "rhythm_read", steps, 6000)
	got, _, err := d.Rhythm(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	if got.Hours < 120 || got.Hours > 131 || got.Longest.Round(time.Hour) != 12*time.Hour || got.Usual > 13*time.Hour {
		t.Errorf("%+v", got)
	}
	quiet, err := d.Quiet(t.Context(), 6*time.Hour)
	if diff := cmp.Diff(map[string]time.Time{"r": got.Last}, quiet); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if none, err := d.Quiet(t.Context(), 10*time.Hour); err != nil || len(none) != 0 {
		t.Errorf("quiet for ten hours: %v, %v", none, err)
	}
	started := time.Now()
	for range 10 {
		if _, _, err := d.Rhythm(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s each", time.Since(started)/10)
	if empty, _, err := d.Rhythm(t.Context(), "nobody"); err != nil || empty != (event.Rhythm{}) {
		t.Errorf("of nobody: %+v, %v", empty, err)
	}
}

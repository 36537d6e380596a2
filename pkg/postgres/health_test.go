package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"tillhook/db"
	"tillhook/pkg/devstack"
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

package postgres_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// aged has 120,000 events of 40 restaurants and four weeks, nearly all finished,
// each about an order of its own. The pool has one connection, whose reads can
// be counted.
func aged(t *testing.T) *postgres.DB {
	t.Helper()
	d, err := postgres.Open(devstack.Database(t, migrate), postgres.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	d.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) SELECT 'r' || n, 'R', 'slug-' || n FROM generate_series(0, 39) n`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") SELECT 'c' || n, 'r' || n, 'whsec_' || n FROM generate_series(0, 39) n`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
		SELECT 'o' || n, 'r' || n % 40, CASE WHEN n % 1000 = 0 THEN 'PAYMENT_PENDING' ELSE 'PAID' END, 1, 'eur', now() - n * interval '20 s'
		FROM generate_series(1, 120000) n`)
	exec(t, d, `INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey", "processedAt", "orderId", "signedWith")
		SELECT 'e' || n, 'evt_' || n, 'charge.succeeded', CASE WHEN n % 5000 = 7 THEN 'FAILED' WHEN n % 5000 = 8 THEN 'PROCESSING' ELSE 'COMPLETED' END,
			'r' || n % 40, '{}', date_trunc('second', at), at, 'evt_' || n, at, 'o' || n, 'current'
		FROM (SELECT n, now() - n * interval '20 s' AS at FROM generate_series(1, 120000) n) x`)
	exec(t, d, `VACUUM ANALYZE`)
	return d
}

// walked is how many events were read by going through a whole table of them,
// since the beginning.
func walked(t *testing.T, d *postgres.DB) int {
	t.Helper()
	exec(t, d, `SELECT pg_stat_force_next_flush()`) // at the end of its own transaction
	return get[int](t, d, `SELECT coalesce(sum(seq_tup_read), 0)::int FROM pg_stat_user_tables WHERE relname LIKE 'WebhookEvent%'`)
}

// Whatever is asked of the events while somebody waits, or over and over, is
// found by an index: a history of years costs what one of weeks does.
func TestNothingWalksOverTheHistory(t *testing.T) {
	t.Parallel()
	d := aged(t)
	now := time.Now()
	known := event.Attempt{Ref: event.Ref{ID: "e8", OccurredAt: get[time.Time](t, d, `SELECT "occurredAt" FROM "WebhookEvent" WHERE id = 'e8'`)}}
	page := func(f postgres.EventFilter, before time.Time) func(context.Context) error {
		f.Limit = 50
		return func(ctx context.Context) error {
			p, err := d.EventsPage(ctx, f, before, "e9")
			if err == nil && len(p.Events) == 0 {
				t.Errorf("%+v finds nothing", f)
			}
			return err
		}
	}
	search := func(f postgres.EventFilter) func(context.Context) error {
		f.Limit = 50
		return func(ctx context.Context) error {
			found, err := d.Events(ctx, f)
			if err == nil && len(found) == 0 {
				t.Errorf("%+v finds nothing", f)
			}
			return err
		}
	}
	asked := map[string]func(context.Context) error{
		"health":    func(ctx context.Context) error { _, err := d.WebhookHealth(ctx); return err },
		"state":     func(ctx context.Context) error { _, err := d.State(ctx); return err },
		"backlog":   func(ctx context.Context) error { _, err := d.Backlog(ctx, 1000); return err },
		"last hour": func(ctx context.Context) error { _, err := d.Minutes(ctx, now.Add(-time.Hour), now); return err },
		"stuck orders": func(ctx context.Context) error {
			_, err := d.StuckOrders(ctx, time.Hour, "", postgres.StuckOrder{}, 50)
			return err
		},
		"stuck orders of": func(ctx context.Context) error {
			_, err := d.StuckOrders(ctx, time.Hour, "slug-0", postgres.StuckOrder{}, 50)
			return err
		},
		"story":            func(ctx context.Context) error { _, err := d.OrderStory(ctx, "o77"); return err },
		"changes":          func(ctx context.Context) error { _, err := d.EventChanges(ctx, "o77", "e77"); return err },
		"failures":         func(ctx context.Context) error { _, err := d.Failures(ctx, "r7"); return err },
		"use of a secret":  func(ctx context.Context) error { _, err := d.WebhookUse(ctx, "r7"); return err },
		"rhythm":           func(ctx context.Context) error { _, _, err := d.Rhythm(ctx, "r7"); return err },
		"events":           page(postgres.EventFilter{}, time.Time{}),
		"events, page 100": page(postgres.EventFilter{}, now.Add(-24*time.Hour)),
		"events, failed":   page(postgres.EventFilter{Status: "FAILED"}, time.Time{}),
		"events, of one":   page(postgres.EventFilter{Restaurant: "r7"}, time.Time{}),
		"events, by type":  page(postgres.EventFilter{Type: "charge.%"}, time.Time{}),
		"events, by order": page(postgres.EventFilter{Order: "o77"}, time.Time{}),
		"events, by id":    page(postgres.EventFilter{IDs: []string{"evt_77"}}, time.Time{}),
		"search, failed":   search(postgres.EventFilter{Status: "FAILED"}),
		"search, by id":    search(postgres.EventFilter{IDs: []string{"evt_77"}}),
		"search, by order": search(postgres.EventFilter{Order: "o77"}),
		"read":             func(ctx context.Context) error { _, err := d.ReadEvents(ctx, []event.Attempt{known}); return err },
		"claim": func(ctx context.Context) error {
			_, err := d.ClaimUnfinished(ctx, time.Minute, time.Minute, event.Unfinished{}, 100)
			return err
		},
		"store again": func(ctx context.Context) error {
			_, err := d.InsertEvents(ctx, []event.Record{{ID: "again", ProviderEventID: "evt_8", Type: "charge.succeeded", Status: event.Processing,
				RestaurantID: "r8", Payload: []byte("{}"), OccurredAt: known.OccurredAt, SignedWith: event.SignedCurrent}})
			return err
		},
		"known": func(ctx context.Context) error {
			_, err := d.KnownEvents(ctx, []event.Record{{ProviderEventID: "evt_8", RestaurantID: "r8", OccurredAt: known.OccurredAt}})
			return err
		},
		"fail": func(ctx context.Context) error { return d.FailEvent(ctx, known, "it had to be") },
	}
	// What the test itself must be able to see.
	before := walked(t, d)
	exec(t, d, `SELECT count(*) FROM "WebhookEvent" WHERE "apiVersion" = 'x'`)
	if walked(t, d)-before < 100_000 {
		t.Fatal("a walk over the history goes unnoticed")
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		before := walked(t, d)
		started := time.Now()
		if err := asked[name](t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		took := time.Since(started)
		if n := walked(t, d) - before; n > 0 {
			t.Errorf("%s walks over %d events", name, n)
		}
		t.Logf("%-18s %6.1f ms", name, float64(took.Microseconds())/1000)
	}
}

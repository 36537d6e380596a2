package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// preloadChunk events are stored per statement, so that Ctrl-C is heard.
const preloadChunk = 200_000

// preload stores finished events of the last four weeks, oldest first, whose
// keys fall all over the index as Stripe's do. Their bodies are short, 256
// bytes: what grows with them is the heap, to whose end rows are added.
const preload = `
INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, outcome, "restaurantId", "apiVersion", payload,
    "occurredAt", attempts, "createdAt", "processedAt", "dedupeKey", "signedWith")
SELECT '01900000-' || lpad(to_hex(n), 12, '0') || '-7000-bench', key, 'checkout.session.completed', 'COMPLETED', 'applied', 'bench',
    '2023-10-16', convert_to(repeat(md5(key), 8), 'UTF8'), date_trunc('second', at), 1, at, at, key, 'current'
FROM (SELECT n, 'evt_1' || left(translate(encode(sha256(n::text::bytea), 'base64'), '+/=', 'xyz'), 23) AS key,
        now() - interval '28 days' * (($3::bigint - n)::float8 / $3) AS at
      FROM generate_series($1::bigint, $2::bigint) AS n) AS made`

// prepareFull starts another receiver of ours, on a table that has grown.
func (b *bench) prepareFull(ctx context.Context) (*contender, error) {
	s, err := b.productSite(ctx, "full")
	if err != nil {
		return nil, err
	}
	n := b.o.Stored
	bar := newProgress(b.out(), (n+preloadChunk-1)/preloadChunk)
	begun := time.Now()
	for from := 1; from <= n; from += preloadChunk {
		bar.step(fmt.Sprintf("storing %d finished events", n))
		if _, err := s.db.ExecContext(ctx, preload, from, min(from+preloadChunk-1, n), n); err != nil {
			return nil, fmt.Errorf("storing finished events: %w", err)
		}
	}
	bar.end()
	if _, err := s.db.ExecContext(ctx, `VACUUM ANALYZE "WebhookEvent"`); err != nil {
		return nil, fmt.Errorf("analyzing the events: %w", err)
	}
	var size string
	if err := s.db.GetContext(ctx, &size, `SELECT pg_size_pretty(pg_database_size(current_database()))`); err != nil {
		return nil, fmt.Errorf("reading the database's size: %w", err)
	}
	b.say("stored %d finished events, %s, in %s", n, size, time.Since(begun).Round(time.Second))
	c, err := b.start(ctx, roleIngest, tillhook, s)
	if err == nil {
		c.preloaded = n
	}
	return c, err
}

// clearPreloaded takes away what a measurement has added, and no more.
func (b *bench) clearPreloaded(ctx context.Context, c *contender) error {
	if _, err := c.site.db.ExecContext(ctx, `DELETE FROM "WebhookEvent" WHERE status = 'PROCESSING'`); err != nil {
		return fmt.Errorf("removing what was added: %w", err)
	}
	_, _ = c.site.db.ExecContext(ctx, "CHECKPOINT") // see clear
	return b.services.flush(ctx, c.site.redisURL)
}

// question is one that people or their monitoring ask of the events.
type question struct {
	name string
	ask  func(ctx context.Context, c *contender) error
}

// questions are those that are measured.
func questions() []question {
	return []question{
		{"counts by status, 1 h", func(ctx context.Context, c *contender) error {
			var counts []struct {
				Status string `db:"status"`
				Events int    `db:"count"`
			}
			return c.site.db.SelectContext(ctx, &counts, `SELECT status, count(*) FROM "WebhookEvent" WHERE "createdAt" > now() - interval '1 hour' GROUP BY status`)
		}},
		{"/api/health/webhooks", func(ctx context.Context, c *contender) error {
			_, err := c.site.db.WebhookHealth(ctx) // the endpoint asks once a second and remembers
			return err
		}},
		{"state for /metrics", func(ctx context.Context, c *contender) error {
			_, err := c.site.db.State(ctx)
			return err
		}},
		{"stuck orders", func(ctx context.Context, c *contender) error {
			_, err := c.site.db.StuckOrders(ctx, time.Hour, "", postgres.StuckOrder{}, 50)
			return err
		}},
		{"panel, newest events", func(ctx context.Context, c *contender) error {
			_, err := c.site.db.EventsPage(ctx, postgres.EventFilter{Limit: 50}, time.Time{}, "")
			return err
		}},
		{"panel, failed events", func(ctx context.Context, c *contender) error {
			_, err := c.site.db.EventsPage(ctx, postgres.EventFilter{Status: string(event.Failed), Limit: 50}, time.Time{}, "")
			return err
		}},
	}
}

// query measures one question, some times in a row, to the events that were stored
// before: what a closed loop has left unfinished is not what the table has grown to.
func (b *bench) query(ctx context.Context, c *contender, q question, k Kind) (f Figure, err error) {
	const most = 20
	if err := b.clearPreloaded(ctx, c); err != nil {
		return f, err
	}
	var all []time.Duration
	begun := time.Now()
	for len(all) == 0 || len(all) < most && time.Since(begun) < b.o.Lasting {
		asked := time.Now()
		if err := q.ask(ctx, c); err != nil {
			return f, fmt.Errorf("asking for %s: %w", q.name, err)
		}
		all = append(all, time.Since(asked))
	}
	f = Figure{Kind: k, Events: len(all), Seconds: time.Since(begun).Seconds()}
	f.PerSecond = float64(f.Events) / f.Seconds
	slices.Sort(all)
	f.Latency = latencyOf(all)
	return f, nil
}

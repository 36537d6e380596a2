package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// openConnections are enough for an open loop never to wait for one, unless the
// receiver stalls, which is then charged as latency.
const openConnections = 128

// leadIn is how long an open loop goes on before its latencies count: after tables
// were emptied statements are planned anew, and a worker that has just started has
// yet to fill its pools.
func (b *bench) leadIn() time.Duration { return min(time.Second, b.o.Lasting) }

// uncounted is how many deliveries of an open loop are its lead-in.
func (b *bench) uncounted(rate float64) int { return int(rate * b.leadIn().Seconds()) }

// paced are an open loop's deliveries.
func (b *bench) paced(rate float64) []delivery {
	return b.deliveries(int(rate * (b.leadIn() + b.o.Lasting).Seconds()))
}

// both measures receiver and worker together: as fast as they go, or at a rate,
// with the time from POST to committed order.
func (b *bench) both(ctx context.Context, c *contender, k Kind) (f Figure, err error) {
	if err := b.clear(ctx, c); err != nil {
		return f, err
	}
	var all []delivery
	if k.Rate > 0 {
		all = b.paced(k.Rate)
	} else {
		all = b.prepared(c, k.Connections, b.o.Lasting)
	}
	if err := b.makeOrders(ctx, c, all); err != nil {
		return f, err
	}
	sign(all, b.secret, "localhost", path)
	var paid *paidWatch
	if k.Rate > 0 { // before the worker plans its statements: the trigger changes a table
		if paid, err = watchPaid(ctx, c, len(all)); err != nil {
			return f, err
		}
		defer paid.close(ctx)
	}
	concurrency := usualConcurrency
	if c.product() {
		concurrency = b.concurrency()
	}
	w, err := b.startWorker(ctx, c, concurrency)
	if err != nil {
		return f, err
	}
	if err := b.awaitWorker(ctx, c, w); err != nil {
		return f, err
	}
	return b.sendBoth(ctx, c, k, all, w, paid)
}

// awaitWorker waits until the worker works: it has looked into the queue.
func (b *bench) awaitWorker(ctx context.Context, c *contender, w worker) error {
	return until(ctx, readyWithin, w.process, func() (bool, error) {
		servers, err := b.services.workers(ctx, c.site.redisURL)
		return servers > 0, err
	})
}

func (b *bench) sendBoth(ctx context.Context, c *contender, k Kind, all []delivery, w worker, paid *paidWatch) (f Figure, err error) {
	processes := map[string]*process{"ingest": c.receiver, "worker": w.process}
	metrics, err := c.counters(ctx)
	if err != nil {
		return f, err
	}
	before, err := b.read(ctx, processes)
	if err != nil {
		return f, err
	}
	var begun time.Time // by the database's clock, like the end
	if err := c.site.db.GetContext(ctx, &begun, `SELECT clock_timestamp()`); err != nil {
		return f, fmt.Errorf("reading the clock: %w", err)
	}
	var out outcome
	uncounted := b.uncounted(k.Rate)
	err = b.profiled(processes, func() (err error) {
		out, err = load{target: c.target, connections: k.Connections, rate: k.Rate, lasting: b.o.Lasting, deliveries: all, uncounted: uncounted}.send(ctx)
		if err == nil {
			err = b.finished(ctx, c, w.process, out.acked)
		}
		return err
	})
	if err != nil {
		return f, err
	}
	f = out.figure(k)
	if k.Rate == 0 {
		// What counts is when the last one was finished.
		last := `SELECT max(processed_at) FROM webhook_events`
		if c.product() {
			last = `SELECT max("processedAt") FROM "WebhookEvent"`
		}
		var done time.Time
		if err := c.site.db.GetContext(ctx, &done, last); err != nil {
			return f, fmt.Errorf("reading when the last event was worked off: %w", err)
		}
		f.Seconds = done.Sub(begun).Seconds()
		f.PerSecond = float64(f.Events) / f.Seconds
	} else if f.Committed, err = paid.latencies(ctx, w.process, out, uncounted); err != nil {
		return f, err
	}
	settled, err := c.settle(ctx, metrics)
	if err != nil {
		return f, err
	}
	f.RowsPerCommit = mean(metrics, settled, "tillhook_commit_rows")
	f.Unqueued = int(settled[enqueueFailures] - metrics[enqueueFailures])
	return f, b.endWorker(ctx, w, before, map[string]*process{"ingest": c.receiver}, &f)
}

// paidWatch hears of every order that becomes PAID. A trigger on the orders'
// table notifies at commit, once per statement, and the listener is in this
// process: both ends of the latency are read from one clock, and delivering the
// notification is part of it.
type paidWatch struct {
	c        *contender
	table    string
	listener *pq.Listener
	done     sync.WaitGroup

	mu    sync.Mutex
	at    []int64 // unix nanoseconds by an order's place in its series
	heard int
}

const paidTrigger = `
CREATE OR REPLACE FUNCTION bench_paid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In parts, since a notification holds 8,000 bytes.
    PERFORM pg_notify('bench_paid', string_agg(part.id, ' '))
    FROM (SELECT id, (row_number() OVER () - 1) / 200 AS n FROM changed WHERE status = 'PAID') AS part GROUP BY part.n;
    RETURN NULL;
END $$;
CREATE TRIGGER bench_paid AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bench_paid()`

func watchPaid(ctx context.Context, c *contender, n int) (*paidWatch, error) {
	p := &paidWatch{c: c, table: "orders", at: make([]int64, n)}
	if c.product() {
		p.table = `"Order"`
	}
	if _, err := c.site.db.ExecContext(ctx, fmt.Sprintf(paidTrigger, p.table)); err != nil {
		return nil, fmt.Errorf("making the trigger that tells of paid orders: %w", err)
	}
	p.listener = pq.NewListener(c.site.databaseURL, time.Second, time.Second, nil)
	if err := p.listener.Listen("bench_paid"); err != nil {
		return nil, fmt.Errorf("listening for paid orders: %w", err)
	}
	p.done.Go(func() {
		for n := range p.listener.Notify {
			if n != nil { // nil after a lost connection: the missing ones will be missed
				p.note(n.Extra, time.Now().UnixNano())
			}
		}
	})
	return p, nil
}

func (p *paidWatch) note(ids string, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range strings.SplitSeq(ids, " ") {
		if i, ok := indexOf(id); ok && i < len(p.at) && p.at[i] == 0 {
			p.at[i] = now
			p.heard++
		}
	}
}

// latencies waits for the last notification. The first ones are left out.
func (p *paidWatch) latencies(ctx context.Context, w *process, out outcome, uncounted int) (*Latency, error) {
	if err := until(ctx, readyWithin, w, func() (bool, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.heard >= out.acked, nil
	}); err != nil {
		return nil, fmt.Errorf("waiting to hear of the last paid order: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []time.Duration
	for i, at := range p.at {
		if at > 0 && i >= uncounted {
			all = append(all, time.Duration(at-out.due[i]))
		}
	}
	slices.Sort(all)
	l := latencyOf(all)
	return &l, nil
}

func (p *paidWatch) close(ctx context.Context) {
	_ = p.listener.Close()
	p.done.Wait()
	// If it fails, so does the next CREATE, and says why.
	_, _ = p.c.site.db.ExecContext(context.WithoutCancel(ctx), "DROP TRIGGER IF EXISTS bench_paid ON "+p.table)
}

// emptyCommit measures what the disk and Postgres ask for any durable answer:
// one row, one commit, one connection.
func (b *bench) emptyCommit(ctx context.Context, c *contender, k Kind) (f Figure, err error) {
	conn, err := c.site.db.Connx(ctx)
	if err != nil {
		return f, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS bench_commit (n integer)`); err != nil {
		return f, fmt.Errorf("making a table: %w", err)
	}
	var all []time.Duration
	begun := time.Now()
	for last := begun; time.Since(begun) < min(b.o.Lasting, time.Second); last = time.Now() {
		if _, err := conn.ExecContext(ctx, `INSERT INTO bench_commit VALUES (1)`); err != nil {
			return f, fmt.Errorf("committing a row: %w", err)
		}
		all = append(all, time.Since(last))
	}
	f = Figure{Kind: k, Events: len(all), Seconds: time.Since(begun).Seconds()}
	f.PerSecond = float64(f.Events) / f.Seconds
	slices.Sort(all)
	f.Latency = latencyOf(all)
	return f, nil
}

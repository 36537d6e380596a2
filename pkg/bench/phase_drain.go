package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"tillhook/pkg/bench/reference"
	"tillhook/pkg/event"
	"tillhook/pkg/queue"
)

const (
	// usualConcurrency is more than a few cores can keep busy, and as many as
	// the usual worker has connections.
	usualConcurrency = 32

	// usualShare of the events is enough for the slower worker to settle in.
	usualShare = 4
)

// drain measures a fresh worker on events that are stored and queued.
func (b *bench) drain(ctx context.Context, c *contender, k Kind) (f Figure, err error) {
	if err := b.clear(ctx, c); err != nil {
		return f, err
	}
	n := b.o.Drain
	if !c.product() {
		n = max(1, n/usualShare)
	}
	all := b.deliveries(n)
	if err := b.fill(ctx, c, all); err != nil {
		return f, err
	}
	before, err := b.read(ctx, nil)
	if err != nil {
		return f, err
	}
	w, err := b.startWorker(ctx, c, k.Concurrency)
	if err != nil {
		return f, err
	}
	if err := b.finished(ctx, c, w.process, n); err != nil {
		return f, err
	}
	f = Figure{Kind: k, Events: n}
	if f.Seconds, err = c.processing(ctx); err != nil {
		return f, err
	}
	f.PerSecond = float64(n) / f.Seconds
	return f, b.endWorker(ctx, w, before, nil, &f)
}

// fill stores and queues deliveries as the receiver would have, and makes their
// orders.
func (b *bench) fill(ctx context.Context, c *contender, all []delivery) error {
	if err := b.makeOrders(ctx, c, all); err != nil {
		return err
	}
	if !c.product() {
		ids := make([]string, len(all))
		for i, d := range all {
			ids[i] = d.event.ID
		}
		if err := reference.Fill(ctx, c.site.databaseURL, forReference(all)); err != nil {
			return err
		}
		return reference.Enqueue(ctx, c.site.redisURL, ids)
	}
	records := make([]event.Record, len(all))
	for i, d := range all {
		records[i] = event.Record{ID: fmt.Sprintf("%s-%07d", d.event.ID[:8], i) + strconv.FormatUint(b.series, 10), ProviderEventID: d.event.ID,
			Type: d.event.Type, Status: event.Processing, RestaurantID: restaurantID, APIVersion: "2023-10-16", Payload: d.body,
			OccurredAt: d.event.Created, SignedWith: event.SignedCurrent}
	}
	for chunk := range slices.Chunk(records, 256) {
		if _, err := c.site.db.InsertEvents(ctx, chunk); err != nil {
			return err
		}
	}
	return enqueueAll(ctx, c.site.redisURL, records)
}

func enqueueAll(ctx context.Context, redisURL string, records []event.Record) error {
	tasks, err := queue.Open(redisURL)
	if err != nil {
		return err
	}
	defer tasks.Close()
	var next atomic.Int64
	senders, ctx := errgroup.WithContext(ctx)
	for range 32 {
		senders.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(records)); i = next.Add(1) - 1 {
				if err := tasks.Enqueue(ctx, records[i].Ref(), records[i].Type); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return senders.Wait()
}

func (b *bench) makeOrders(ctx context.Context, c *contender, all []delivery) error {
	for chunk := range slices.Chunk(all, 5000) {
		if !c.product() {
			if err := reference.Orders(ctx, c.site.databaseURL, forReference(chunk)); err != nil {
				return err
			}
			continue
		}
		if err := c.site.db.CreateOrders(ctx, newOrders(chunk)); err != nil {
			return err
		}
	}
	return nil
}

// drainNoop measures asynq with tasks that need no work.
func (b *bench) drainNoop(ctx context.Context, k Kind) (f Figure, err error) {
	n := b.o.Drain
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "noop-" + strconv.Itoa(i)
	}
	if err := b.services.flush(ctx, b.noopRedis); err != nil {
		return f, err
	}
	if err := reference.Enqueue(ctx, b.noopRedis, ids); err != nil {
		return f, err
	}
	before, err := b.read(ctx, nil)
	if err != nil {
		return f, err
	}
	p, err := b.launch(roleNoop, "REDIS_URL="+b.noopRedis, "WORKER_CONCURRENCY="+strconv.Itoa(k.Concurrency), envCount+"="+strconv.Itoa(n))
	if err != nil {
		return f, err
	}
	r, err := p.read()
	if err != nil {
		return f, err
	}
	f = Figure{Kind: k, Events: n, Seconds: r.Result, PerSecond: float64(n) / r.Result}
	return f, b.endWorker(ctx, worker{process: p}, before, nil, &f)
}

// worker is one that runs.
type worker struct {
	process *process
	metrics string
}

// startWorker launches c's worker.
func (b *bench) startWorker(ctx context.Context, c *contender, concurrency int) (w worker, err error) {
	role := roleUsualWorker
	env := []string{"DATABASE_URL=" + c.site.databaseURL, "REDIS_URL=" + c.site.redisURL, "WORKER_CONCURRENCY=" + strconv.Itoa(concurrency)}
	if c.product() {
		role = roleWorker
		private, err := freeAddress()
		if err != nil {
			return w, err
		}
		env = append(env, "METRICS_ADDR="+private)
		w.metrics = "http://" + private + "/metrics"
	}
	w.process, err = b.launch(role, env...)
	return w, err
}

// endWorker adds up what everyone has used since before, and ends the worker.
func (b *bench) endWorker(ctx context.Context, w worker, before reading, others map[string]*process, f *Figure) error {
	processes := map[string]*process{"worker": w.process}
	for name, p := range others {
		processes[name] = p
	}
	after, err := b.read(ctx, processes)
	if err != nil {
		return err
	}
	f.charge(before, after)
	if w.metrics != "" {
		metrics, err := scrape(ctx, w.metrics)
		if err != nil {
			return err
		}
		f.EventsPerTx = mean(counters{}, metrics, "tillhook_apply_events")
	}
	return b.stop(w.process)
}

// finished waits until n events are worked off, and holds the worker to it: as
// many orders must be PAID. Redis is asked until its queues are empty, since the
// table's answer costs the server as much as the worker's own statements.
func (b *bench) finished(ctx context.Context, c *contender, w *process, n int) error {
	waiting, paid := `SELECT EXISTS (SELECT FROM webhook_events WHERE status = 'PROCESSING')`, `SELECT count(*) FROM orders WHERE status = 'PAID'`
	if c.product() {
		waiting, paid = `SELECT EXISTS (SELECT FROM "WebhookEvent" WHERE status = 'PROCESSING')`, `SELECT count(*) FROM "Order" WHERE status = 'PAID'`
	}
	err := b.services.onRedis(c.site.redisURL, func(r *redis.Client) error {
		return until(ctx, doneWithin, w, func() (bool, error) {
			if left, err := tasks(ctx, r); left > 0 || err != nil {
				return false, err
			}
			var some bool
			err := c.site.db.GetContext(ctx, &some, waiting)
			return !some, err
		})
	})
	if err != nil {
		return fmt.Errorf("waiting for the worker of %s: %w", c.name, err)
	}
	var orders int
	if err := c.site.db.GetContext(ctx, &orders, paid); err != nil {
		return fmt.Errorf("counting paid orders: %w", err)
	}
	if orders != n {
		return fmt.Errorf("the worker of %s has finished, and %d of %d orders are PAID", c.name, orders, n)
	}
	return nil
}

// processing is the time from the first event's transaction to the last one's,
// in seconds, by the database's clock.
func (c *contender) processing(ctx context.Context) (seconds float64, err error) {
	query := `SELECT extract(epoch FROM max(processed_at) - min(processed_at)) FROM webhook_events`
	if c.product() {
		query = `SELECT extract(epoch FROM max("processedAt") - min("processedAt")) FROM "WebhookEvent"`
	}
	if err := c.site.db.GetContext(ctx, &seconds, query); err != nil {
		return 0, fmt.Errorf("reading when events were worked off: %w", err)
	}
	return max(seconds, time.Millisecond.Seconds()), nil
}

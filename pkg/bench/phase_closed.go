package bench

import (
	"context"
	"fmt"
	"time"
)

// first guesses at what a receiver takes in a second; only the amount of
// prepared deliveries depends on it.
const (
	guessStored = 20_000
	guessVerify = 5_000 // which are sent again and again
)

// prepared are deliveries enough for a closed loop, and not many more.
func (b *bench) prepared(c *contender, connections int, lasting time.Duration) []delivery {
	rate := c.rates[connections] * 1.5
	switch {
	case !c.stores():
		rate = guessVerify
	case rate == 0:
		rate = guessStored
	}
	return b.deliveries(int(rate*lasting.Seconds()) + 1000)
}

// alone measures a receiver without a worker: how fast it acknowledges, or how
// soon at a rate.
func (b *bench) alone(ctx context.Context, c *contender, k Kind, lasting time.Duration) (f Figure, err error) {
	if err := b.clear(ctx, c); err != nil {
		return f, err
	}
	var all []delivery
	switch {
	case k.Rate > 0:
		all = b.paced(k.Rate)
	case k.Duplicates > 0:
		all = repeated(b.prepared(c, k.Connections, lasting), k.Duplicates)
	default:
		all = b.prepared(c, k.Connections, lasting)
	}
	sign(all, b.secret, "localhost", path)
	processes := map[string]*process{"ingest": c.receiver}
	metrics, err := c.counters(ctx)
	if err != nil {
		return f, err
	}
	before, err := b.read(ctx, processes)
	if err != nil {
		return f, err
	}
	out, err := load{target: c.target, connections: k.Connections, rate: k.Rate, lasting: lasting, deliveries: all,
		again: k.Rate == 0 && !c.stores(), uncounted: b.uncounted(k.Rate)}.send(ctx)
	if err != nil {
		return f, err
	}
	f = out.figure(k)
	if k.Rate == 0 {
		c.rates[k.Connections] = f.PerSecond
	}
	settled, err := c.settle(ctx, metrics)
	if err != nil {
		return f, err
	}
	after, err := b.read(ctx, processes)
	if err != nil {
		return f, err
	}
	f.charge(before, after)
	f.RowsPerCommit = mean(metrics, settled, "tillhook_commit_rows")
	f.Unqueued = int(settled[enqueueFailures] - metrics[enqueueFailures])
	return f, b.checkStored(ctx, c, all[:out.sent], out)
}

func (o outcome) figure(k Kind) Figure {
	f := Figure{Kind: k, Events: o.acked, Failed: o.failed, Seconds: o.took.Seconds(), Latency: latencyOf(o.latencies), Late: latencyOf(o.late).P99}
	if f.Seconds > 0 {
		f.PerSecond = float64(o.acked) / f.Seconds
	}
	if o.fault != nil {
		f.Fault = o.fault.Error()
	}
	return f
}

// checkStored holds a receiver to its promise: a 200 is a committed row, and an
// event that came twice is one row.
func (b *bench) checkStored(ctx context.Context, c *contender, sent []delivery, out outcome) error {
	if !c.stores() {
		return nil
	}
	// What was there before has been worked off.
	table := `webhook_events WHERE status = 'PROCESSING'`
	if c.product() {
		table = `"WebhookEvent" WHERE status = 'PROCESSING'`
	}
	events := make(map[string]bool, len(sent))
	for _, d := range sent {
		events[d.event.ID] = true
	}
	var stored int
	if err := c.site.db.GetContext(ctx, &stored, "SELECT count(*) FROM "+table); err != nil {
		return fmt.Errorf("counting what is stored: %w", err)
	}
	if stored < len(events)-out.failed || stored > len(events) {
		return fmt.Errorf("%s answered %d deliveries of %d events with 200, and stored %d", c.name, out.acked, len(events), stored)
	}
	if out.failed > 0 && b.o.Strict {
		return fmt.Errorf("%s failed %d of %d deliveries, the first one: %w", c.name, out.failed, out.sent, out.fault)
	}
	return nil
}

// clear removes what an earlier measurement has left, and has its pages written
// now instead of at the expense of the next one.
func (b *bench) clear(ctx context.Context, c *contender) error {
	tables := `webhook_events, payments, orders`
	switch {
	case !c.stores():
		return nil
	case c.preloaded > 0:
		return b.clearPreloaded(ctx, c)
	case c.product():
		tables = `"WebhookEvent", "OrderTransition", "PaymentObject", "Payment", "Order", "WaitingEvent"`
	}
	if _, err := c.site.db.ExecContext(ctx, "TRUNCATE "+tables+" CASCADE"); err != nil {
		return fmt.Errorf("emptying the tables: %w", err)
	}
	// Only some roles may; it makes the figures steadier and no more.
	_, _ = c.site.db.ExecContext(ctx, "CHECKPOINT")
	return b.services.flush(ctx, c.site.redisURL)
}

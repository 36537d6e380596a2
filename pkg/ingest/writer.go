package ingest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tillhook/pkg/batch"
	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Store keeps deliveries.
type Store interface {
	// InsertEvents commits all records or none, and answers which are new.
	InsertEvents(ctx context.Context, records []event.Record) ([]bool, error)
}

// Queue takes tasks. An event that is queued already is no error.
type Queue interface {
	EnqueueAll(ctx context.Context, records []event.Record) error
}

const (
	// commitTimeout bounds one commit, and with it how long a shutdown can take.
	commitTimeout = 5 * time.Second

	// So many tasks travel in one round trip at the most.
	maxTasks        = 256
	enqueueTimeout  = 2 * time.Second
	maxQueuedForIt  = 8192
	redisRestPeriod = time.Second
)

// writer is the only one that inserts: deliveries that arrive during one
// commit share the next, which is what makes a durable answer cheap. What is
// new goes to the queue after the answers are out.
type writer struct {
	store   Store
	queue   Queue
	metrics *telemetry.Metrics
	log     *slog.Logger

	batcher *batch.Batcher[event.Record, bool]
	tasks   chan event.Record
	restOf  int64        // unix nanoseconds until which Redis is left alone
	since   atomic.Int64 // unix nanoseconds at which the commit under way began; 0: there is none
}

func newWriter(store Store, queue Queue, m *telemetry.Metrics, log *slog.Logger) *writer {
	w := &writer{store: store, queue: queue, metrics: m, log: log, tasks: make(chan event.Record, maxQueuedForIt)}
	w.batcher = batch.New(batch.Config[event.Record, bool]{
		Work: w.insert,
		Split: func(err error) bool {
			return errors.Is(err, event.ErrUnstorable) || errors.Is(err, event.ErrContended)
		},
		After: w.handOver,
		Weigh: func(r event.Record) int { return len(r.Payload) },
	})
	return w
}

var errStuck = errors.New("the commit before is stuck")

// commit waits until the record is committed and reports whether it is new.
// Behind a commit that has taken too long nobody waits: those who did would
// have to be answered with the same 503, and hold their memory until then.
func (w *writer) commit(ctx context.Context, r event.Record) (bool, error) {
	if since := w.since.Load(); since != 0 && time.Now().UnixNano()-since > int64(answerTimeout) {
		return false, errStuck
	}
	return w.batcher.Do(ctx, r)
}

// offer stores a record that nobody waits for, if there is room.
func (w *writer) offer(r event.Record) bool { return w.batcher.Offer(r) }

// run works until close; what was accepted by then is committed and queued.
func (w *writer) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		records := make([]event.Record, 0, maxTasks)
		for r := range w.tasks {
			records = w.collect(append(records[:0], r))
			w.enqueue(ctx, records)
			clear(records)
		}
	})
	w.batcher.Run(ctx)
	close(w.tasks)
	wg.Wait()
}

func (w *writer) close() { w.batcher.Close() }

func (w *writer) insert(ctx context.Context, records []event.Record) ([]bool, error) {
	// In one order everywhere: two writers with the same duplicates would
	// deadlock otherwise.
	order := make([]int, len(records))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &records[a], &records[b]
		return cmp.Or(cmp.Compare(x.ProviderEventID, y.ProviderEventID), cmp.Compare(x.RestaurantID, y.RestaurantID),
			x.OccurredAt.Compare(y.OccurredAt), cmp.Compare(a, b))
	})
	sorted := make([]event.Record, len(records))
	for i, at := range order {
		sorted[i] = records[at]
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	started := time.Now()
	w.since.Store(started.UnixNano())
	defer w.since.Store(0)
	news, err := w.store.InsertEvents(ctx, sorted)
	if err != nil {
		return nil, err
	}
	w.metrics.CommitSeconds.Observe(time.Since(started).Seconds())
	w.metrics.CommitRows.Observe(float64(len(records)))
	results := make([]bool, len(records))
	for i, at := range order {
		results[at] = news[i]
	}
	return results, nil
}

// handOver never waits: a row that isn't queued here is found by the
// recoverer, a writer that waits for Redis holds up Stripe.
func (w *writer) handOver(records []event.Record, news []bool) {
	for i, r := range records {
		if !news[i] || r.Status != event.Processing {
			continue
		}
		r.Payload = nil // the task is a reference; the body is free to go
		select {
		case w.tasks <- r:
		default:
			w.metrics.EnqueueFailures.Inc()
		}
	}
}

// collect takes what waits behind the first to be queued.
func (w *writer) collect(records []event.Record) []event.Record {
	for len(records) < maxTasks {
		select {
		case r, ok := <-w.tasks:
			if !ok {
				return records
			}
			records = append(records, r)
		default:
			return records
		}
	}
	return records
}

func (w *writer) enqueue(ctx context.Context, records []event.Record) {
	if time.Now().UnixNano() < w.restOf {
		w.metrics.EnqueueFailures.Add(float64(len(records)))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	if err := w.queue.EnqueueAll(ctx, records); err != nil {
		w.metrics.EnqueueFailures.Add(float64(len(records)))
		w.restOf = time.Now().Add(redisRestPeriod).UnixNano()
		w.log.Warn("tasks not queued, the recoverer will", "error", err)
		return
	}
	w.metrics.Enqueued.Add(float64(len(records)))
}

// Package worker works stored events off. processor.go is one event's way,
// recoverer.go finds those that have no task, waker.go those whose payment has
// come. backfiller.go and reconciler.go ask Stripe what we have missed.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tillhook/pkg/batch"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
)

// Ledger keeps events, payments and orders in step.
type Ledger interface {
	// ReadEvents reads the events of attempts, in their order; the zero Stored
	// for one that was finished before.
	ReadEvents(ctx context.Context, attempts []event.Attempt) ([]event.Stored, error)
	// Settle works events off in one transaction: each is applied to its order, as
	// nobody else changes it meanwhile, and finished. One result per event; the zero
	// Result for one that was finished before.
	Settle(ctx context.Context, work []order.Work) ([]order.Result, error)
	// FailEvent records that an event which the others can't even try is FAILED.
	FailEvent(ctx context.Context, a event.Attempt, reason string) error
}

// Decode says what an event's body contributes.
type Decode func(eventType string, payload []byte) (order.Contribution, error)

// Read decodes one event. A body that makes the decoder panic is that event's
// fault, not its neighbours'.
func (d Decode) Read(e event.Stored) (c order.Contribution, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = event.Permanent(fmt.Errorf("decoding %s panicked: %v", e.Type, r))
		}
	}()
	return d(e.Type, e.Payload)
}

const (
	// maxBatch is how many events share a transaction. More would hold the locks
	// of more orders for longer, and gain little. A second batch is worked on beside
	// another only if it is a full one: two halves are more work than a whole.
	maxBatch = 128

	// After an outage the processor rests for restLeast to twice that, at random,
	// and the tasks under way with it: otherwise every task in the queue would
	// fail and come back in turn, as fast as Redis can hand them out.
	restLeast = 500 * time.Millisecond
)

// Processor settles the events of many tasks together: whatever is waiting is
// read, decoded, and settled in one transaction. Each task still succeeds, waits
// or fails for itself.
type Processor struct {
	ledger   Ledger
	decode   Decode
	follower *Follower
	metrics  *telemetry.Metrics
	log      *slog.Logger
	tracer   *telemetry.Tracer
	batches  *batch.Batcher[event.Attempt, settled]
	closing  chan struct{} // ends a rest
	once     sync.Once
}

// NewProcessor makes a processor; it works while Run does. Without a follower,
// thin events are ignored.
func NewProcessor(ledger Ledger, decode Decode, f *Follower, m *telemetry.Metrics, log *slog.Logger) *Processor {
	p := &Processor{ledger: ledger, decode: decode, follower: f, metrics: m, log: log, closing: make(chan struct{})}
	split := func(err error) bool { return ofOneEvent(err) || ofSome(err) }
	p.batches = batch.New(batch.Config[event.Attempt, settled]{Work: p.settle, Split: split, MaxItems: maxBatch, Helpers: 1, Crowd: maxBatch})
	return p
}

// Traced is to be called before Run: each attempt then goes on with the trace in
// which its event was delivered.
func (p *Processor) Traced(t *telemetry.Tracer) *Processor {
	p.tracer = t
	return p
}

// Run works until Close was called and nothing waits any more. ctx is that of
// the transactions.
func (p *Processor) Run(ctx context.Context) { p.batches.Run(ctx) }

// Close ends Run, after what was accepted is done.
func (p *Processor) Close() {
	p.once.Do(func() { close(p.closing) })
	p.batches.Close()
}

// Process works one event off, and logs the attempt's one line. The error is
// for the queue: nil, permanent, unavailable, or one that is worth a retry.
func (p *Processor) Process(ctx context.Context, a event.Attempt) error {
	started := time.Now()
	ctx, span := p.tracer.Start(ctx, "event", a.Trace)
	r, err := p.work(ctx, a)
	if err != nil {
		r.Err = p.settleFault(ctx, a, err)
	}
	result, level := "waiting", slog.LevelInfo
	switch {
	case r.Err == nil && r.Outcome == "":
		result = "done_before"
	case r.Err == nil:
		result = string(r.Outcome)
	case putOff(r.Err):
	case event.IsUnavailable(r.Err):
		result, level = "unavailable", slog.LevelError
	case event.IsPermanent(r.Err) || a.Last:
		result, level = "failed", slog.LevelError
	}
	span.Set("id", a.ID)
	span.Set("result", result)
	span.End(r.Err)
	p.metrics.Attempts.WithLabelValues(result).Inc()
	p.measure(a, r)
	attrs := []slog.Attr{
		slog.String("result", result), slog.String("id", a.ID),
		slog.Int("attempt", a.Number), slog.Float64("ms", float64(time.Since(started).Microseconds())/1000),
	}
	if t := r.Transition; t != nil {
		attrs = append(attrs, slog.String("order", t.OrderID), slog.String("status", string(t.OrderTo)),
			slog.String("payment", t.PaymentID), slog.String("paymentStatus", string(t.PaymentTo)))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.Any("error", r.Err))
	}
	p.log.LogAttrs(ctx, level, "attempt", attrs...)
	return r.Err
}

// measure counts what an attempt has changed.
func (p *Processor) measure(a event.Attempt, r order.Result) {
	if r.Err == nil && r.Outcome != "" && !a.OccurredAt.IsZero() {
		p.metrics.Settled.Observe(time.Since(a.OccurredAt).Seconds())
	}
	if t := r.Transition; t != nil {
		if t.OrderFrom != t.OrderTo {
			p.metrics.Orders.WithLabelValues(string(t.OrderTo)).Inc()
		}
		if t.PaymentFrom != t.PaymentTo {
			p.metrics.Payments.WithLabelValues(string(t.PaymentTo)).Inc()
		}
	}
}

// work settles the event together with others, or alone if it is a thin one.
func (p *Processor) work(ctx context.Context, a event.Attempt) (order.Result, error) {
	settling, span := p.tracer.Start(ctx, "settle batch", "")
	r, err := p.batches.Do(settling, a)
	span.End(err)
	if err == nil && r.thin != nil {
		return p.follow(ctx, a, *r.thin)
	}
	return r.Result, err
}

// follow settles a thin event. What can't be mended, or not within the event's
// attempts, is FAILED with its reason, as Settle does it for others.
func (p *Processor) follow(ctx context.Context, a event.Attempt, e event.Stored) (order.Result, error) {
	a.Ref = e.Ref // a task of an earlier release may not have all of it
	r, err := p.follower.follow(ctx, a, e)
	if err == nil && r.Err != nil && !putOff(r.Err) && (event.IsPermanent(r.Err) || a.Last) {
		err = p.ledger.FailEvent(ctx, a, r.Err.Error())
	}
	return r, err
}

// putOff reports whether an event is only to wait for its turn, which uses up no
// attempt.
func putOff(err error) bool {
	_, ok := event.Wait(err)
	return ok
}

// ofOneEvent reports whether an error that rolled the transaction back is the
// fault of one of its events.
func ofOneEvent(err error) bool {
	return errors.Is(err, event.ErrUnstorable) || event.IsPermanent(err)
}

// ofSome reports whether some of the events alone may succeed, and the others later.
func ofSome(err error) bool {
	return errors.Is(err, event.ErrContended) || errors.Is(err, event.ErrTrigger)
}

// settleFault sorts an error that rolled the transaction back: what can never
// be settled is FAILED, anything else is a service's fault.
func (p *Processor) settleFault(ctx context.Context, a event.Attempt, err error) error {
	if !ofOneEvent(err) {
		return event.Unavailable(err)
	}
	if failErr := p.ledger.FailEvent(ctx, a, err.Error()); failErr != nil {
		return event.Unavailable(fmt.Errorf("%v: %w", err, failErr)) // not permanent: it has no end yet
	}
	return event.Permanent(err)
}

// settled is what became of one event of a batch.
type settled struct {
	order.Result
	thin *event.Stored // has to be followed first; nothing has become of it yet
}

// settle reads, decodes and settles. An event that makes it panic is that event's
// fault: the process must not end, and end again when the task comes back.
func (p *Processor) settle(ctx context.Context, attempts []event.Attempt) (results []settled, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = event.Permanent(fmt.Errorf("settling panicked: %v", r))
		}
		p.restAfter(ctx, err)
	}()
	events, err := p.ledger.ReadEvents(ctx, attempts)
	if err != nil {
		return nil, err
	}
	results = make([]settled, len(attempts))
	work, of := p.decoded(attempts, events, results)
	if len(work) == 0 {
		return results, nil
	}
	p.metrics.ApplyEvents.Observe(float64(len(work)))
	done, err := p.ledger.Settle(ctx, work)
	for i, r := range done {
		results[of[i]].Result = r
	}
	return results, err
}

// decoded is the work on those events that can be settled at once, and whose it
// is. Goroutines of tasks don't decode: each would have to grow its stack first.
func (p *Processor) decoded(attempts []event.Attempt, events []event.Stored, results []settled) (work []order.Work, of []int) {
	for i, e := range events {
		switch {
		case e.ID == "": // finished before
		case p.follower != nil && p.follower.thin(e.Type):
			results[i].thin = &e
		default:
			a := attempts[i]
			a.Ref = e.Ref // a task of another version may know the id only
			c, err := p.decode.Read(e)
			work, of = append(work, order.Work{Attempt: a, Entry: order.NewEntry(e, c), Err: err}), append(of, i)
		}
	}
	return work, of
}

// restAfter lets the database be for a moment when it has failed.
func (p *Processor) restAfter(ctx context.Context, err error) {
	if err == nil || ofOneEvent(err) || ofSome(err) {
		return
	}
	timer := time.NewTimer(restLeast + rand.N(restLeast))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closing:
	case <-ctx.Done():
	}
}

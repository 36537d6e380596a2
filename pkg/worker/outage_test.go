package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// While Postgres is away a full queue is not run through as fast as Redis can
// hand it out: the processor rests after each batch that failed, and no attempt
// is used up. The end of the process waits for no rest.
func TestTheProcessorRestsInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{errs: map[string]error{"e": errors.New("connection refused")}}
		p, stop := start(l, nothing, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var tasks sync.WaitGroup
		for range 128 { // as many as a fleet has under way, each followed by the next
			tasks.Go(func() {
				for ctx.Err() == nil {
					if err := p.Process(t.Context(), attempt("e")); !event.IsUnavailable(err) {
						t.Errorf("an outage uses up an attempt: %v", err)
					}
				}
			})
		}
		<-ctx.Done()
		l.mu.Lock()
		n := len(l.batches)
		l.mu.Unlock()
		if n < 10 || n > 21 {
			t.Errorf("%d transactions were tried in 10 s, want one to two a second", n)
		}
		closed := time.Now()
		stop()
		tasks.Wait()
		if took := time.Since(closed); took != 0 {
			t.Errorf("the end took %s", took)
		}
	})
}

// panicky is a ledger that panics over one event, as a fold with a mistake in
// it would.
type panicky struct{ *ledger }

func (l panicky) Settle(ctx context.Context, work []order.Work) ([]order.Result, error) {
	for _, w := range work {
		if w.ID == "bad" {
			panic("no such status")
		}
	}
	return l.ledger.Settle(ctx, work)
}

// Otherwise the process would end, and the next one with the same task.
func TestAnEventThatMakesTheFoldPanicFails(t *testing.T) {
	t.Parallel()
	l := &ledger{results: map[string]order.Result{"good": {Outcome: event.Applied}}}
	p := worker.NewProcessor(panicky{l}, nothing, nil, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(context.Background()) }()
	if err := p.Process(t.Context(), attempt("bad")); next(err) != "archive" || l.failed["bad"] != "settling panicked: no such status" {
		t.Errorf("%v, failed: %v", err, l.failed)
	}
	if err := p.Process(t.Context(), attempt("good")); err != nil {
		t.Errorf("the next event: %v", err)
	}
	p.Close()
	p.Close() // twice does no harm
	<-ended
}

package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger answers by the event's id, and writes down what it was asked.
type ledger struct {
	results map[string]order.Result
	errs    map[string]error // fails every batch with the event in it
	failErr error            // of FailEvent
	hold    chan struct{}    // every batch waits for one receive; nil: none waits

	mu      sync.Mutex
	batches []int
	failed  map[string]string // the reasons given to FailEvent
}

// ReadEvents finds every event that is asked for; its type is its id.
func (l *ledger) ReadEvents(_ context.Context, attempts []event.Attempt) ([]event.Stored, error) {
	events := make([]event.Stored, len(attempts))
	for i, a := range attempts {
		events[i] = event.Stored{Ref: a.Ref, Type: a.ID}
	}
	return events, nil
}

func (l *ledger) Settle(_ context.Context, work []order.Work) ([]order.Result, error) {
	l.mu.Lock()
	l.batches = append(l.batches, len(work))
	l.mu.Unlock()
	if l.hold != nil {
		<-l.hold
	}
	results := make([]order.Result, len(work))
	for i, w := range work {
		if err := l.errs[w.ID]; err != nil {
			return nil, fmt.Errorf("settling: %w", err)
		}
		results[i] = l.results[w.ID]
		if w.Err != nil {
			results[i] = order.Result{Err: w.Err}
		}
	}
	return results, nil
}

func (l *ledger) FailEvent(_ context.Context, a event.Attempt, reason string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = map[string]string{}
	}
	l.failed[a.ID] = reason
	return l.failErr
}

func nothing(string, []byte) (order.Contribution, error) { return order.Contribution{}, nil }

// start runs a processor; stop ends it and waits.
func start(l *ledger, decode worker.Decode, m *telemetry.Metrics, log *slog.Logger) (p *worker.Processor, stop func()) {
	p = worker.NewProcessor(l, decode, nil, m, log)
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(context.Background()) }()
	return p, func() {
		p.Close()
		<-ended
	}
}

func attempt(id string) event.Attempt { return event.Attempt{Ref: event.Ref{ID: id}, Number: 3} }

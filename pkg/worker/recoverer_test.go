package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// backlog holds unfinished events, and is the queue that they go to. The test
// holds its lock, but for the time that it lets pass.
type backlog struct {
	sync.Mutex
	events  []event.Unfinished
	queued  map[string]bool
	pageErr error
	fullErr error // of Requeue, once room is used up
	room    int   // how many more the queue takes before fullErr; -1 without end

	age      time.Duration
	pages    []int
	requeued []string
	looks    []time.Duration // since the beginning, when a first page was asked for
	began    time.Time
}

func newBacklog(events int) *backlog {
	b := &backlog{queued: map[string]bool{}, room: -1, began: time.Now()}
	b.Lock()
	for i := range events {
		b.events = append(b.events, event.Unfinished{
			Ref: event.Ref{ID: fmt.Sprintf("%04d", i)}, Type: "charge.succeeded", CreatedAt: time.Unix(int64(i/3), 0),
		})
	}
	return b
}

func (b *backlog) UnfinishedEvents(ctx context.Context, age time.Duration, after event.Unfinished, limit int) ([]event.Unfinished, error) {
	b.Lock()
	defer b.Unlock()
	if after == (event.Unfinished{}) {
		b.looks = append(b.looks, time.Since(b.began))
	}
	if ctx.Err() != nil || b.pageErr != nil {
		return nil, errors.Join(ctx.Err(), b.pageErr)
	}
	b.age = age
	from := 0
	for i, e := range b.events {
		if e == after {
			from = i + 1
		}
	}
	page := b.events[from:min(from+limit, len(b.events))]
	b.pages = append(b.pages, len(page))
	return page, nil
}

func (b *backlog) Requeue(_ context.Context, ref event.Ref, eventType string) (bool, error) {
	b.Lock()
	defer b.Unlock()
	if b.room == 0 {
		return false, b.fullErr
	}
	b.room--
	if eventType != "charge.succeeded" || b.queued[ref.ID] {
		return false, nil
	}
	b.queued[ref.ID] = true
	b.requeued = append(b.requeued, ref.ID)
	return true, nil
}

// recoverer runs one for as long as the test lasts.
func (b *backlog) recoverer(t *testing.T, cfg worker.RecovererConfig) (m *telemetry.Metrics, stop func()) {
	m = telemetry.NewMetrics()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	r := worker.NewRecoverer(cfg, b, b, m, slog.New(slog.DiscardHandler))
	go func() { defer close(ended); r.Run(ctx) }()
	return m, func() {
		b.Unlock()
		defer b.Lock()
		cancel()
		<-ended // within the bubble: a role that goes on is a deadlock
	}
}

func recovered(t *testing.T, m *telemetry.Metrics) float64 {
	t.Helper()
	var c dto.Metric
	if err := m.Recovered.Write(&c); err != nil {
		t.Fatal(err)
	}
	return c.Counter.GetValue()
}

// pass lets the bubble's clock run on.
func (b *backlog) pass(d time.Duration) {
	b.Unlock()
	defer b.Lock()
	<-time.After(d)
	synctest.Wait()
}

func TestTheRecovererGoesThroughEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(1203)
		b.queued["0007"], b.queued["0900"] = true, true // have a task already
		m, stop := b.recoverer(t, worker.RecovererConfig{})
		b.pass(9 * time.Second)
		if b.looks != nil {
			t.Errorf("looked at %v, before the first interval was over", b.looks)
		}
		b.pass(2 * time.Second)
		stop()
		var want []string
		for _, e := range b.events {
			if e.ID != "0007" && e.ID != "0900" {
				want = append(want, e.ID)
			}
		}
		if diff := cmp.Diff(want, b.requeued); diff != "" {
			t.Error("requeued (-want +got)\n", diff)
		}
		if diff := cmp.Diff([]int{500, 500, 203, 0}, b.pages); diff != "" {
			t.Error("pages (-want +got)\n", diff)
		}
		if n := recovered(t, m); n != 1201 || b.age != 30*time.Second {
			t.Errorf("counted %g of an age of %s, want 1201 of 30s", n, b.age)
		}
	})
}

func TestTheRecovererGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(5)
		m, stop := b.recoverer(t, worker.RecovererConfig{Age: time.Minute, Interval: 4 * time.Second})
		b.pageErr = errors.New("Postgres is away")
		b.pass(5 * time.Second)
		b.pageErr = nil
		b.room, b.fullErr = 3, errors.New("Redis is away")
		b.pass(4 * time.Second)
		if diff := cmp.Diff([]string{"0000", "0001", "0002"}, b.requeued); diff != "" {
			t.Error("while Redis was there (-want +got)\n", diff)
		}
		b.room = -1
		b.pass(4 * time.Second)
		stop()
		if diff := cmp.Diff([]string{"0000", "0001", "0002", "0003", "0004"}, b.requeued); diff != "" {
			t.Error("in the end (-want +got)\n", diff)
		}
		if diff := cmp.Diff([]time.Duration{4 * time.Second, 8 * time.Second, 12 * time.Second}, b.looks); diff != "" {
			t.Error("looks (-want +got)\n", diff)
		}
		if n := recovered(t, m); n != 5 || b.age != time.Minute {
			t.Errorf("counted %g of an age of %s, want 5 of 1m", n, b.age)
		}
	})
}

func TestTheRecovererStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(1)
		_, stop := b.recoverer(t, worker.RecovererConfig{})
		b.pass(25 * time.Second)
		stop()
		stop() // twice does no harm
		b.pass(time.Hour)
		if diff := cmp.Diff([]time.Duration{10 * time.Second, 20 * time.Second}, b.looks); diff != "" {
			t.Error("looks (-want +got)\n", diff)
		}
	})
}

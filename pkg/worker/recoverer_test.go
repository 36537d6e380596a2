package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
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
	waiting map[string]time.Duration // until the next attempt
	errs    map[string]error         // of Requeue, by id
	pageErr error
	away    error // of Requeue for every event
	room    int   // how many more tasks the queue takes; -1 without end

	age, claim time.Duration
	pages      []int
	requeued   []string
	asked      int                      // events that Requeue was asked for
	moved      map[string]time.Duration // the claims' ends
	looks      []time.Duration          // since the beginning, when a first page was asked for
	began      time.Time
}

func newBacklog(events int) *backlog {
	b := &backlog{queued: map[string]bool{}, moved: map[string]time.Duration{}, room: -1, began: time.Now()}
	b.Lock()
	for i := range events {
		b.events = append(b.events, event.Unfinished{
			Ref: event.Ref{ID: fmt.Sprintf("%04d", i)}, Type: "charge.succeeded", CreatedAt: time.Unix(int64(i/3), 0),
		})
	}
	return b
}

func (b *backlog) ClaimUnfinished(ctx context.Context, age, claim time.Duration, after event.Unfinished, limit int) ([]event.Unfinished, error) {
	b.Lock()
	defer b.Unlock()
	if after == (event.Unfinished{}) {
		b.looks = append(b.looks, time.Since(b.began))
	}
	if ctx.Err() != nil || b.pageErr != nil {
		return nil, errors.Join(ctx.Err(), b.pageErr)
	}
	b.age, b.claim = age, claim
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

func (b *backlog) MoveClaims(_ context.Context, ids []string, after []time.Duration) error {
	b.Lock()
	defer b.Unlock()
	for i, id := range ids {
		b.moved[id] = after[i]
	}
	return nil
}

func (b *backlog) EndClaims(context.Context) error { return nil }

func (b *backlog) Requeue(_ context.Context, events []event.Unfinished) []event.Task {
	b.Lock()
	defer b.Unlock()
	b.asked += len(events)
	tasks := make([]event.Task, len(events))
	for i, e := range events {
		wait, waits := b.waiting[e.ID]
		err := errors.Join(b.away, b.errs[e.ID])
		switch {
		case err != nil:
			tasks[i].Err = err
		case waits:
			tasks[i].Next = time.Now().Add(wait)
		case e.Type != "charge.succeeded" || b.queued[e.ID]:
		case b.room == 0:
			tasks[i].Full = true
		default:
			b.room--
			b.queued[e.ID] = true
			b.requeued = append(b.requeued, e.ID)
			tasks[i] = event.Task{Made: true, Mended: strings.HasSuffix(e.ID, "00")}
		}
	}
	return tasks
}

// recoverer runs one for as long as the test lasts.
func (b *backlog) recoverer(t *testing.T, cfg worker.RecovererConfig) (m *telemetry.Metrics, log *strings.Builder, stop func()) {
	m, log = telemetry.NewMetrics(), &strings.Builder{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	r := worker.NewRecoverer(cfg, b, b, m, slog.New(slog.NewTextHandler(log, nil)))
	go func() { defer close(ended); r.Run(ctx) }()
	return m, log, func() {
		b.Unlock()
		defer b.Lock()
		cancel()
		<-ended // within the bubble: a role that goes on is a deadlock
	}
}

// recovery is how many events were recovered, mended, and failed.
func recovery(t *testing.T, m *telemetry.Metrics) (n [3]float64) {
	t.Helper()
	for i, counter := range []prometheus.Counter{m.Recovered, m.Mended, m.Unrecovered} {
		var c dto.Metric
		if err := counter.Write(&c); err != nil {
			t.Fatal(err)
		}
		n[i] = c.Counter.GetValue()
	}
	return n
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
		b.waiting = map[string]time.Duration{"0008": time.Second, "0009": 2 * time.Minute, "1100": 6 * time.Hour}
		m, log, stop := b.recoverer(t, worker.RecovererConfig{})
		b.pass(9 * time.Second)
		if b.looks != nil {
			t.Errorf("looked at %v, before the first interval was over", b.looks)
		}
		b.pass(2 * time.Second)
		stop()
		var want []string
		for _, e := range b.events {
			if _, waits := b.waiting[e.ID]; !waits && e.ID != "0007" && e.ID != "0900" {
				want = append(want, e.ID)
			}
		}
		if diff := cmp.Diff(want, b.requeued); diff != "" {
			t.Error("requeued (-want +got)\n", diff)
		}
		if diff := cmp.Diff([]int{500, 500, 203, 0}, b.pages); diff != "" {
			t.Error("pages (-want +got)\n", diff)
		}
		// What waits is looked at when it has had its next attempt, and not too late.
		wantMoved := map[string]time.Duration{"0008": 30 * time.Second, "0009": 2 * time.Minute, "1100": 5 * time.Minute}
		if diff := cmp.Diff(wantMoved, b.moved); diff != "" {
			t.Error("claims (-want +got)\n", diff)
		}
		if n := recovery(t, m); n != [3]float64{1198, 11, 0} || b.age != 30*time.Second || b.claim != 30*time.Second {
			t.Errorf("counted %v of an age of %s, claimed for %s, want 1198, 11, 0, 30s and 30s", n, b.age, b.claim)
		}
		if want := `msg="recovered events that had no task" events=1198 ghosts=11`; !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log)
		}
	})
}

func TestTheRecovererStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(1)
		_, _, stop := b.recoverer(t, worker.RecovererConfig{})
		b.pass(25 * time.Second)
		b.queued, b.room = map[string]bool{}, 0 // it waits for room when it is stopped
		b.pass(5500 * time.Millisecond)
		stop()
		stop() // twice does no harm
		b.pass(time.Hour)
		if diff := cmp.Diff([]time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second}, b.looks); diff != "" {
			t.Error("looks (-want +got)\n", diff)
		}
	})
}

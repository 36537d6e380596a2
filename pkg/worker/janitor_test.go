package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

const week = 7 * 24 * time.Hour

// house is the weeks w0 (the oldest) … and what lies around.
type house struct {
	began     time.Time
	weeks     []event.Partition
	clocks    event.Clocks
	swept     []event.Swept // what each sweep finds
	occupied  bool          // another worker is at it
	brokenFor time.Duration // so long nothing works but the sweeping
	kept      map[string]string

	did []string // at "minutes: what"
}

// newHouse has weeks that began so many weeks ago, and clocks that are right.
func newHouse(ago ...int) *house {
	h := &house{began: time.Now(), kept: map[string]string{}}
	for i, n := range ago {
		from := h.began.Add(-time.Duration(n) * week)
		h.weeks = append(h.weeks, event.Partition{Name: fmt.Sprint("w", i), From: from, To: from.Add(week)})
	}
	h.weeks = append(h.weeks, event.Partition{Name: "default"})
	return h
}

func (h *house) note(format string, args ...any) {
	h.did = append(h.did, fmt.Sprintf("%d: ", int(time.Since(h.began).Minutes()))+fmt.Sprintf(format, args...))
}

func (h *house) CreatePartitions(_ context.Context, past, ahead int) (int, error) {
	h.note("create %d %d", past, ahead)
	return 0, h.broken()
}

func (h *house) broken() error {
	if time.Since(h.began) < h.brokenFor {
		return event.ErrContended
	}
	return nil
}

func (h *house) Partitions(context.Context) ([]event.Partition, event.Clocks, error) {
	c := h.clocks
	for _, t := range []*time.Time{&c.Database, &c.Stored, &c.Created} {
		if t.IsZero() {
			*t = time.Now()
		}
	}
	return h.weeks, c, nil
}

func (h *house) DropPartition(_ context.Context, name string, before time.Time) (string, error) {
	h.note("drop %s, %d d", name, int(time.Since(before).Hours()/24))
	if err := h.broken(); err != nil || h.kept[name] != "" {
		return h.kept[name], err
	}
	for i, p := range h.weeks {
		if p.Name == name {
			h.weeks = append(h.weeks[:i:i], h.weeks[i+1:]...)
		}
	}
	h.clocks.Dropped++
	return "", nil
}

func (h *house) Alone(ctx context.Context, work func(context.Context) error) (bool, error) {
	if h.occupied {
		return false, nil
	}
	return true, work(ctx)
}

func (h *house) Sweep(_ context.Context, before time.Time, limit int) (event.Swept, error) {
	h.note("sweep %d, %d d", limit, int(time.Since(before).Hours()/24))
	if len(h.swept) == 0 {
		return event.Swept{}, nil
	}
	s := h.swept[0]
	h.swept = h.swept[1:]
	return s, nil
}

// clean lets a janitor work for some time, and answers what it did and logged.
func (h *house) clean(t *testing.T, cfg worker.JanitorConfig, d time.Duration) (did []string, log string, m *telemetry.Metrics) {
	t.Helper()
	m = telemetry.NewMetrics()
	var lines strings.Builder
	j := worker.NewJanitor(cfg, h, h, m, slog.New(slog.NewTextHandler(&lines, nil)))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); j.Run(ctx) }()
	<-time.After(d)
	synctest.Wait()
	stop()
	<-ended
	return h.did, lines.String(), m
}

func gauge(t *testing.T, m *telemetry.Metrics) float64 {
	t.Helper()
	var v dto.Metric
	if err := m.PartitionsHeld.Write(&v); err != nil {
		t.Fatal(err)
	}
	return v.GetGauge().GetValue()
}

// A week goes when all of it is past retention, and nothing in it waits.
func TestTheJanitorDropsWhatIsPastRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(20, 15, 14, 13, 1) // 90 days are nearly 13 weeks
		h.weeks[1].Unfinished = 2
		h.kept["w2"] = "it holds unfinished events" // since it was listed
		did, log, m := h.clean(t, worker.JanitorConfig{}, time.Hour)
		want := []string{"0: create 35 35", "0: drop w0, 90 d", "0: drop w2, 90 d", "0: sweep 1000, 97 d"}
		if diff := cmp.Diff(want, did); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		if held := gauge(t, m); held != 2 || strings.Count(log, "level=WARN") != 2 || !strings.Contains(log, "partition=w1 reason=\"it holds unfinished events\" unfinished=2") {
			t.Errorf("%g held\n%s", held, log)
		}
	})
}

// A clock that jumps takes nothing with it, whosever it is.
func TestAClockThatJumpsDropsNothing(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]func(*house, *worker.JanitorConfig, time.Time){
		"the worker's": func(_ *house, cfg *worker.JanitorConfig, ahead time.Time) {
			cfg.Now = func() time.Time { return ahead }
		},
		"the database's": func(h *house, _ *worker.JanitorConfig, ahead time.Time) {
			h.clocks.Database, h.clocks.Stored = ahead, ahead
		},
		"both": func(h *house, cfg *worker.JanitorConfig, ahead time.Time) {
			cfg.Now = func() time.Time { return ahead }
			h.clocks.Database, h.clocks.Stored = ahead, ahead
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(12, 5, 1)
				var cfg worker.JanitorConfig
				jump(h, &cfg, time.Now().Add(500*week))
				did, _, _ := h.clean(t, cfg, time.Hour)
				if diff := cmp.Diff([]string{"0: create 35 35", "0: sweep 1000, 97 d"}, did); diff != "" {
					t.Error("(-want +got)\n", diff)
				}
			})
		})
	}
}

// Whatever is wrong, no more than four weeks go in six hours, and the log says
// that there are more.
func TestTheJanitorDropsAFewWeeksAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(30, 29, 28, 27, 26, 25, 24)
		h.clocks.Dropped = 1 // by another worker
		did, log, _ := h.clean(t, worker.JanitorConfig{Retention: 20 * week}, time.Hour)
		want := []string{"0: create 35 35", "0: drop w0, 140 d", "0: drop w1, 140 d", "0: drop w2, 140 d", "0: sweep 1000, 147 d"}
		if diff := cmp.Diff(want, did); diff != "" || !strings.Contains(log, "the rest follow\" partitions=4") {
			t.Errorf("(-want +got)\n%s\n%s", diff, log)
		}
	})
}

// A round that fails is gone again soon, one that doesn't in six hours; what
// one part of it can't do keeps no other from its work.
func TestTheJanitorsRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(20, 19)
		h.brokenFor = 90 * time.Second
		h.swept = []event.Swept{{Events: 1000}, {Waiting: 1000}, {Events: 999, Waiting: 999, SecretUses: 5000}}
		did, log, _ := h.clean(t, worker.JanitorConfig{}, 7*time.Hour)
		want := []string{
			"0: create 35 35", "0: drop w0, 90 d", "0: sweep 1000, 97 d", "0: sweep 1000, 97 d", "0: sweep 1000, 97 d",
			"1: create 35 35", "1: drop w0, 90 d", "1: sweep 1000, 97 d",
			"2: create 35 35", "2: drop w0, 90 d", "2: drop w1, 90 d", "2: sweep 1000, 97 d",
			"362: create 35 35", "362: sweep 1000, 97 d",
		}
		if diff := cmp.Diff(want, did); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		if n := strings.Count(log, "level=ERROR"); n != 2 || !strings.Contains(log, "events=1999 waiting=1999 secretUses=5000") {
			t.Errorf("%d errors\n%s", n, log)
		}
	})
}

func TestOneJanitorIsEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(20)
		h.occupied = true
		did, _, _ := h.clean(t, worker.JanitorConfig{}, time.Hour)
		if diff := cmp.Diff([]string{"0: create 35 35"}, did); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

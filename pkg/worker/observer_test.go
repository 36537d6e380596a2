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

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// scene is a database and a Redis that workers look at.
type scene struct {
	lock       sync.Mutex // whose turn it is to watch
	mu         sync.Mutex
	state      event.State
	fault      error
	redisFault error
	quiet      map[string]time.Time
	rhythms    map[string]event.Rhythm
	asked      []string // whose rhythm
}

func (s *scene) Watch(ctx context.Context, work func(context.Context) error) (bool, error) {
	if !s.lock.TryLock() {
		return false, nil
	}
	defer s.lock.Unlock()
	return true, work(ctx)
}

// fail says what goes wrong from now on.
func (s *scene) fail(postgres, redis error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.redisFault = postgres, redis
}

func (s *scene) faults() (postgres, redis error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault, s.redisFault
}

func (s *scene) State(context.Context) (event.State, error) {
	err, _ := s.faults()
	return s.state, err
}

func (s *scene) Quiet(context.Context, time.Duration) (map[string]time.Time, error) {
	err, _ := s.faults()
	return s.quiet, err
}

func (s *scene) Rhythm(_ context.Context, id string) (event.Rhythm, time.Time, error) {
	s.asked = append(s.asked, id)
	r := s.rhythms[id]
	r.Last = s.quiet[id]
	return r, time.Now(), nil
}

type queues struct{ *scene }

func (q queues) State(context.Context) ([]event.QueueState, error) {
	_, err := q.faults()
	return []event.QueueState{{Name: "critical", Archived: 3, Latency: 2 * time.Second}}, err
}

func (q queues) Redis(context.Context) (event.RedisState, error) {
	_, err := q.faults()
	return event.RedisState{Policy: "allkeys-lru", Evicted: 7}, err
}

// tells is the observer's gauges that have a value other than zero.
func tells(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, series := range f.Metric {
			name, ours := strings.CutPrefix(f.GetName(), "tillhook_")
			if g := series.GetGauge(); ours && g != nil && g.GetValue() != 0 {
				for _, l := range series.Label {
					name += " " + l.GetValue()
				}
				all = append(all, fmt.Sprint(name, "=", g.GetValue()))
			}
		}
	}
	return strings.Join(all, ", ")
}

// One worker tells how everything stands; another one does when it has gone,
// and none tells what it doesn't know any more.
func TestOneWorkerTellsHowEverythingStands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Unix(1_800_000_000, 0)
		before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
		s := &scene{state: event.State{At: now, Unfinished: 9, Oldest: before(90 * time.Second), Success: before(time.Minute),
			Stuck: 2, OldestSecret: before(91 * 24 * time.Hour), MissingWeeks: 1}}
		const database = "backlog_age_seconds=90, last_success_timestamp_seconds=1.79999994e+09, observed_timestamp_seconds=1.8e+09, orders_stuck=2, partition_missing=1"
		const redis = ", queue_latency_seconds critical=2, queue_tasks critical archived=3, redis_evicted_keys=7, redis_evicts=1"
		const rest = ", secret_age_days=91, unfinished_events=9"
		var running sync.WaitGroup
		var said strings.Builder
		log := slog.New(slog.NewTextHandler(&said, nil)) // its handler has a lock
		run := func() (*telemetry.Metrics, context.CancelFunc) {
			m := telemetry.NewMetrics()
			ctx, stop := context.WithCancel(t.Context())
			o := worker.NewObserver(s, queues{s}, m, log)
			running.Go(func() { o.Run(ctx) })
			synctest.Wait()
			return m, stop
		}
		expect := func(when string, first, second *telemetry.Metrics, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, []string{tells(t, first), tells(t, second)}); diff != "" {
				t.Errorf("%s (-want +got)\n%s", when, diff)
			}
		}
		pass := func() {
			<-time.After(31 * time.Second)
			synctest.Wait()
		}
		a, stopA := run()
		b, stopB := run()
		expect("at first", a, b, database+redis+rest, "")
		s.fail(nil, errors.New("refused"))
		pass()
		expect("Redis is away", a, b, database+rest, "")
		s.fail(nil, nil)
		stopA()
		pass()
		expect("the first has gone", a, b, "", database+redis+rest)
		s.fail(errors.New("refused"), nil)
		pass()
		pass()
		expect("Postgres is away", a, b, "", "")
		s.fail(nil, nil)
		pass()
		expect("it is back", a, b, "", database+redis+rest)
		stopB()
		running.Wait()
		// The first has taken its trouble with it.
		if warned, over := strings.Count(said.String(), "level=WARN"), strings.Count(said.String(), "known again"); warned != 2 || over != 1 {
			t.Errorf("%d warnings, %d times over:\n%s", warned, over, &said)
		}
	})
}

// A restaurant is silent by its own rhythm, which is read once per silence.
func TestSilentRestaurantsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := &scene{state: event.State{At: now}, quiet: map[string]time.Time{"night": now.Add(-9 * time.Hour), "dead": now.Add(-9 * time.Hour)},
			rhythms: map[string]event.Rhythm{"night": {Hours: 100, Longest: 10 * time.Hour}, "dead": {Hours: 100, Longest: 2 * time.Hour}}}
		m := telemetry.NewMetrics()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			worker.NewObserver(s, queues{s}, m, slog.New(slog.DiscardHandler)).Run(ctx)
		}()
		<-time.After(time.Hour)
		synctest.Wait()
		if got := tells(t, m); !strings.Contains(got, "restaurants_silent=1") || len(s.asked) != 2 {
			t.Errorf("%s; asked for %v", got, s.asked)
		}
		stop()
		<-done
	})
}

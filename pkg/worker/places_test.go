package worker_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// slowDesk is a Stripe that answers about an event once it may.
type slowDesk struct{ answers chan struct{} }

func (d slowDesk) Follow(ctx context.Context, e event.Stored) (event.Heard, error) {
	select {
	case <-d.answers:
		return heard("fetched_"+e.ID, event.Hints{}), nil
	case <-ctx.Done():
		return event.Heard{}, event.ErrNoAnswer
	}
}

// ofRestaurants has events whose ids are type.restaurant.number.
type ofRestaurants struct{ *ledger }

func (l ofRestaurants) ReadEvents(ctx context.Context, attempts []event.Attempt) ([]event.Stored, error) {
	events, err := l.ledger.ReadEvents(ctx, attempts)
	for i, e := range events {
		events[i].RestaurantID = strings.Split(e.ID, ".")[1]
	}
	return events, err
}

// following is a processor of a fleet that works on so many tasks at a time,
// beside a Stripe that is slow.
func following(t *testing.T, tasks int) (p *worker.Processor, l *ledger, d slowDesk) {
	t.Helper()
	a := newArchive()
	d = slowDesk{make(chan struct{})}
	l = &ledger{results: map[string]order.Result{"classic.b.1": {Outcome: event.Applied}}}
	follower := worker.NewFollower(func(name string) bool { return strings.HasPrefix(name, "v1.") }, tasks, d, a, a)
	p = worker.NewProcessor(ofRestaurants{l}, nothing, follower, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(context.Background()) }()
	t.Cleanup(func() {
		p.Close()
		<-ended
	})
	return p, l, d
}

// However slow Stripe is, thin events hold a quarter of the tasks, those of one
// restaurant a quarter of that. Whatever finds no place comes back, and loses
// no attempt by it, not even the last one.
func TestThinEventsLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ tasks, each, all int }{{384, 8, 32}, {64, 4, 16}, {8, 1, 2}, {1, 1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			p, l, d := following(t, c.tasks)
			var tasks sync.WaitGroup
			process := func(restaurant string) (held int) { // of as many as the fleet works on
				var mu sync.Mutex
				held = c.tasks
				for range c.tasks {
					tasks.Go(func() {
						a := attempt("v1." + restaurant + ".1")
						a.Last = true
						if err := p.Process(t.Context(), a); err == nil {
							return
						} else if _, ok := event.Wait(err); !ok || next(err) != "free retry" {
							t.Errorf("turned away with %v", err)
						}
						mu.Lock()
						defer mu.Unlock()
						held--
					})
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				return held
			}
			if n := process("a"); n != c.each {
				t.Errorf("of %d tasks one restaurant's thin events hold %d, want %d", c.tasks, n, c.each)
			}
			all := c.each
			for _, restaurant := range []string{"b", "c", "d", "e", "f"} {
				all += process(restaurant)
			}
			if all != c.all {
				t.Errorf("of %d tasks thin events hold %d, want %d", c.tasks, all, c.all)
			}
			if err := p.Process(t.Context(), attempt("classic.b.1")); err != nil {
				t.Errorf("one that needs no Stripe: %v", err)
			}
			close(d.answers)
			tasks.Wait()
			if err := p.Process(t.Context(), attempt("v1.a.2")); err != nil || len(l.failed) != 0 {
				t.Errorf("when there is room again: %v, failed: %v", err, l.failed)
			}
		})
	}
}

// Those turned away come back one after the other, and none is kept away for
// hours; one of another restaurant doesn't stand behind them. Whatever waits for
// long comes back less often.
func TestThoseTurnedAwayStandInLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _, d := following(t, 4)
		turnedAway := func(restaurant string, age time.Duration) time.Duration {
			a := attempt("v1." + restaurant + ".1")
			a.OccurredAt = time.Now().Add(-age)
			wait, ok := event.Wait(p.Process(t.Context(), a))
			if !ok {
				t.Fatal("there was a place")
			}
			return wait
		}
		var task sync.WaitGroup
		task.Go(func() { _ = p.Process(t.Context(), attempt("v1.a.0")) })
		synctest.Wait()
		for i := range 100 {
			if wait, want := turnedAway("a", 0), time.Duration(i+1)*100*time.Millisecond; wait != want {
				t.Fatalf("number %d in the line waits %s, want %s", i, wait, want)
			}
		}
		if wait := turnedAway("b", 0); wait != 100*time.Millisecond {
			t.Errorf("the first of another restaurant waits %s", wait)
		}
		for age, want := range map[time.Duration]time.Duration{8 * time.Second: 2 * time.Second, 72 * time.Hour: time.Minute} {
			if wait := turnedAway("c", age); wait != want {
				t.Errorf("one of %s ago waits %s, want %s", age, wait, want)
			}
		}
		var longest time.Duration
		for range 10_000 {
			longest = max(longest, turnedAway("a", 0))
		}
		if longest != 10*time.Minute {
			t.Errorf("the longest wait is %s", longest)
		}
		time.Sleep(time.Hour) // in the bubble's time
		if wait := turnedAway("a", 0); wait != 100*time.Millisecond {
			t.Errorf("when the line is gone one waits %s", wait)
		}
		close(d.answers)
		task.Wait()
	})
}

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
	"tillhook/pkg/worker"
)

// bell wakes what it is told to, and is the queue that runs it.
type bell struct {
	wake func(event.Unfinished)

	mu   sync.Mutex
	busy map[string]int // how many more times a task is being worked on
	away int            // how many more times Redis doesn't answer
	runs []string
}

func (b *bell) WatchWaiting(ctx context.Context, wake func(event.Unfinished)) error {
	b.wake = wake
	<-ctx.Done()
	return nil
}

func (b *bell) RunNow(_ context.Context, ref event.Ref, eventType string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away--; b.away >= 0 {
		return false, errors.New("redis is away")
	}
	b.runs = append(b.runs, ref.ID+" "+eventType)
	if ref.ID == "broken" {
		return false, errors.New("redis is away")
	}
	if b.busy[ref.ID]--; b.busy[ref.ID] >= 0 {
		return false, nil
	}
	return true, nil
}

// Whatever is woken runs once; what is being worked on is tried again, but not
// for ever; one that fails keeps no other from running.
func TestTheWakerRunsWhatIsWoken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bell{busy: map[string]int{"busy": 2, "stuck": 99}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		w := worker.NewWaker(b, b, slog.New(slog.DiscardHandler))
		go func() { defer close(ended); w.Run(ctx) }()
		synctest.Wait()
		for _, id := range []string{"broken", "free", "busy", "stuck"} {
			b.wake(event.Unfinished{Ref: event.Ref{ID: id}, Type: "charge.succeeded"})
		}
		<-time.After(time.Minute)
		synctest.Wait()
		stop()
		<-ended
		counts := map[string]int{}
		for _, r := range b.runs {
			counts[r]++
		}
		// The broken one is not asked for ever either.
		want := map[string]int{"broken charge.succeeded": 40, "free charge.succeeded": 1, "busy charge.succeeded": 3, "stuck charge.succeeded": 4}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Error(fmt.Sprint("(-want +got)\n", diff))
		}
	})
}

// What is woken while Redis is away runs when it is back: its own backoff may
// have become hours.
func TestTheWakerOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bell{busy: map[string]int{}, away: 20}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		w := worker.NewWaker(b, b, slog.New(slog.DiscardHandler))
		go func() { defer close(ended); w.Run(ctx) }()
		synctest.Wait()
		for _, id := range []string{"one", "two"} {
			b.wake(event.Unfinished{Ref: event.Ref{ID: id}, Type: "charge.refunded"})
		}
		<-time.After(time.Minute)
		synctest.Wait()
		stop()
		<-ended
		if diff := cmp.Diff([]string{"one charge.refunded", "two charge.refunded"}, b.runs); diff != "" {
			t.Error(diff)
		}
	})
}

// deaf is a bell that can't be heard for the first few times.
type deaf struct {
	bell
	errs []error
}

func (d *deaf) WatchWaiting(ctx context.Context, wake func(event.Unfinished)) error {
	if len(d.errs) > 0 {
		err := d.errs[0]
		d.errs = d.errs[1:]
		return err
	}
	return d.bell.WatchWaiting(ctx, wake)
}

// A waker that may not listen tries again until it may, and says of each trouble
// once what it means.
func TestTheWakerListensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		canceled, full := errors.New("canceled"), errors.New("too many connections")
		b := &deaf{bell: bell{busy: map[string]int{}}, errs: []error{canceled, canceled, full, full, full}}
		var log strings.Builder
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			worker.NewWaker(b, b, slog.New(slog.NewTextHandler(&log, nil))).Run(ctx)
		}()
		<-time.After(26 * time.Second)
		synctest.Wait()
		if b.wake == nil {
			t.Error("it doesn't listen")
		} else {
			b.wake(event.Unfinished{Ref: event.Ref{ID: "free"}, Type: "charge.succeeded"})
		}
		synctest.Wait()
		stop()
		<-ended
		if diff := cmp.Diff([]string{"free charge.succeeded"}, b.runs); diff != "" {
			t.Error(diff)
		}
		if n := strings.Count(log.String(), "by their backoff only"); n != 2 {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
	})
}

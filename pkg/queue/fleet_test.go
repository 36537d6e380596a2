package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

// The handler's error decides what becomes of the task.
func TestWhatBecomesOfATask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	errs := map[string]error{
		"done":        nil,
		"permanent":   fmt.Errorf("settling: %w", event.Permanent(errors.New("wrong amount"))),
		"unavailable": fmt.Errorf("settling: %w", event.Unavailable(errors.New("connection refused"))),
		"waiting":     errors.New("no payment yet"),
		"timed out":   fmt.Errorf("settling: %w", context.DeadlineExceeded),
	}
	b.enqueue("done", "permanent", "unavailable", "waiting", "timed out")
	b.work(len(errs), func(id string) error { return errs[id] })
	got := map[string]task{}
	for id := range errs {
		got[id] = b.task(id)
	}
	want := map[string]task{
		"done":        {},
		"permanent":   {State: "archived", Retried: 0, Error: "settling: wrong amount: skip retry for the task"},
		"unavailable": {State: "retry", Retried: 0, Error: "settling: connection refused"},
		"waiting":     {State: "retry", Retried: 1, Error: "no payment yet"},
		"timed out":   {State: "retry", Retried: 0, Error: "settling: context deadline exceeded"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Attempts count from 1, those lost to an outage don't, and the handler knows
// its last one. What then still fails is archived.
func TestAttemptsAreNumbered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.client.Enqueue(asynq.NewTask(TaskType, []byte(`{"id":"1","occurredAt":1700000000}`)),
		asynq.TaskID("1"), asynq.Queue(Critical), asynq.MaxRetry(2)); err != nil {
		t.Fatal(err)
	}
	outage, waiting := event.Unavailable(errors.New("connection refused")), errors.New("no payment yet")
	var attempts []event.Attempt
	var tasks []task
	for i, err := range []error{waiting, outage, waiting, waiting} {
		if i > 0 { // the time between two attempts is not what this is about
			if err := b.inspector.RunTask(Critical, "1"); err != nil {
				t.Fatal(err)
			}
		}
		attempts = append(attempts, b.work(1, func(string) error { return err })["1"])
		tasks = append(tasks, b.task("1"))
	}
	want := []event.Attempt{
		{Ref: ref("1"), Number: 1}, {Ref: ref("1"), Number: 2}, {Ref: ref("1"), Number: 2}, {Ref: ref("1"), Number: 3, Last: true},
	}
	if diff := cmp.Diff(want, attempts); diff != "" {
		t.Error("attempts (-want +got)\n", diff)
	}
	wantTasks := []task{
		{"retry", 1, "no payment yet"}, {"retry", 1, "connection refused"}, {"retry", 2, "no payment yet"}, {"archived", 2, "no payment yet: skip retry for the task"},
	}
	if diff := cmp.Diff(wantTasks, tasks); diff != "" {
		t.Error("tasks (-want +got)\n", diff)
	}
}

// The next attempt is when retryDelay says, not when asynq would have it.
func TestTheNextAttemptIsOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.delay = retryDelay
	b.enqueue("1", "2")
	before := time.Now()
	b.work(2, func(id string) error {
		if id == "1" {
			return event.Unavailable(errors.New("connection refused"))
		}
		return errors.New("no payment yet")
	})
	after := time.Now()
	for id, between := range map[string][2]time.Duration{"1": {outageWait / 2, outageWait * 3 / 2}, "2": {firstWait / 2, firstWait * 3 / 2}} {
		info, err := b.inspector.GetTaskInfo(Critical, id)
		if err != nil {
			t.Fatal(err)
		}
		// Redis keeps whole seconds.
		if at := info.NextProcessAt; at.Before(before.Add(between[0]-time.Second)) || at.After(after.Add(between[1])) {
			t.Errorf("task %s comes again after %s, want %v", id, at.Sub(before), between)
		}
	}
}

// A handler that panics costs an attempt, not the process.
func TestAPanicIsAnAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("1")
	b.work(1, func(string) error { panic("at the till") })
	if got := b.task("1"); got.State != "retry" || got.Retried != 1 {
		t.Errorf("%+v, want a retry", got)
	}
}

func TestShutdownLetsATaskFinish(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("1")
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.Work(ctx, FleetConfig{Log: slog.New(slog.DiscardHandler)}, func(task context.Context, _ event.Attempt) error {
			close(started)
			<-ctx.Done()
			return task.Err() // the end of the fleet is not the end of the task
		})
	}()
	<-started
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := b.task("1"); got != (task{}) {
		t.Errorf("%+v is left of a task that was let finish", got)
	}
}

// A task that takes too long goes back, to be worked on by whoever is there
// next, and no attempt is lost.
func TestShutdownHandsBackWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("1")
	started, finish, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
	shutdown := b.fleet(FleetConfig{Concurrency: 1, ShutdownTimeout: 20 * time.Millisecond}, func(context.Context, event.Attempt) error {
		defer close(finished)
		close(started)
		<-finish
		return nil
	})
	<-started
	asked := time.Now()
	shutdown()
	// Not asynq's own 8 s, after which systemd would have lost patience.
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("shutting down took %s", took)
	}
	if diff := cmp.Diff(task{State: "pending"}, b.task("1")); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	close(finish)
	<-finished
	want := map[string]event.Attempt{"1": {Ref: ref("1"), Number: 1}}
	if diff := cmp.Diff(want, b.work(1, func(string) error { return nil })); diff != "" {
		t.Error("the next worker (-want +got)\n", diff)
	}
}

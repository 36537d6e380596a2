package queue

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// lastAttempt is a task of ours that has failed as often as it may.
func (b *bench) lastAttempt(id string) {
	b.t.Helper()
	b.enqueue(id)
	for range MaxRetry {
		b.work(1, func(string) error { return errors.New("no payment yet") })
		if err := b.inspector.RunTask(Critical, id); err != nil {
			b.t.Fatal(err)
		}
	}
}

// However long an outage lasts and however few attempts are left, it ends no
// task. The event's own fault does.
func TestAnOutageAtTheLastAttemptIsNoEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.lastAttempt("1")
	var attempts []event.Attempt
	var tasks []task
	try := func(err error) {
		attempts = append(attempts, b.work(1, func(string) error { return err })["1"])
		tasks = append(tasks, b.task("1"))
	}
	away := event.Unavailable(errors.New("connection refused"))
	for _, err := range []error{away, context.DeadlineExceeded, away} {
		try(err)
		if err := b.inspector.RunTask(Critical, "1"); err != nil {
			t.Fatal(err)
		}
	}
	try(errors.New("no payment yet"))
	last := event.Attempt{Ref: ref("1"), Number: MaxRetry + 1, Last: true}
	if diff := cmp.Diff([]event.Attempt{last, last, last, last}, attempts); diff != "" {
		t.Error("attempts (-want +got)\n", diff)
	}
	want := []task{
		{"retry", MaxRetry, "connection refused"}, {"retry", MaxRetry, "context deadline exceeded"},
		{"retry", MaxRetry, "connection refused"}, {"archived", MaxRetry, "no payment yet: skip retry for the task"},
	}
	if diff := cmp.Diff(want, tasks); diff != "" {
		t.Error("tasks (-want +got)\n", diff)
	}
}

// Workers of two versions are at work while one is being deployed.
func TestTasksOfOtherVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id, body := range map[string]string{
		"more": `{"id":"more","occurredAt":1700000000,"traceparent":"00-4bf92f","shard":{"of":7}}`,
		"less": `{"id":"less"}`,
		"1970": `{"id":"1970","occurredAt":0}`,
	} {
		if _, err := b.client.Enqueue(asynq.NewTask(TaskType, []byte(body)), asynq.TaskID(id), asynq.Queue(Critical)); err != nil {
			t.Fatal(err)
		}
	}
	got := b.work(3, func(string) error { return nil })
	want := map[string]event.Attempt{
		"more": {Ref: ref("more"), Number: 1},
		"less": {Ref: event.Ref{ID: "less"}, Number: 1},
		"1970": {Ref: event.Ref{ID: "1970", OccurredAt: time.Unix(0, 0)}, Number: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A task that only a newer version understands is left to it, with all its
// attempts.
func TestATaskOfAnUnknownTypeGoesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.delay = retryDelay
	if _, err := b.client.Enqueue(asynq.NewTask("stripe:event:v2", []byte(`{"id":"new"}`)),
		asynq.TaskID("new"), asynq.Queue(Critical), asynq.MaxRetry(1)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		// One at a time, first come first served.
		b.enqueue("known")
		if seen := b.work(1, func(string) error { return nil }); len(seen) != 1 || seen["known"].Number != 1 {
			t.Errorf("handled: %v", seen)
		}
		if diff := cmp.Diff(task{"retry", 0, errStranger.Error()}, b.task("new")); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		info, err := b.inspector.GetTaskInfo(Critical, "new")
		if err != nil {
			t.Fatal(err)
		}
		if wait := time.Until(info.NextProcessAt); wait < strangerWait/2-2*time.Second || wait > strangerWait*3/2 {
			t.Errorf("it comes again in %s", wait)
		}
		if err := b.inspector.RunTask(Critical, "new"); err != nil {
			t.Fatal(err)
		}
	}
}

// syncLog is a log that is read while others write it.
type syncLog struct {
	mu sync.Mutex
	strings.Builder
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

// A Redis that throws tasks away when it is full is something to know before
// it is full; what a managed one doesn't tell is nothing to log.
func TestTheWorkerWarnsOfAnEvictingRedis(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	started := func() string {
		var log syncLog
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		b.enqueue("1")
		go func() {
			ended <- b.Work(ctx, FleetConfig{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(context.Context, event.Attempt) error {
				cancel()
				return nil
			})
		}()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return log.String()
	}
	set := func(args ...any) {
		t.Helper()
		if err := b.redis.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if log := started(); log != "" {
		t.Errorf("noeviction: %s", log)
	}
	set("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if log := started(); strings.Count(log, "WARN") != 1 || !strings.Contains(log, "policy=allkeys-lru") {
		t.Errorf("allkeys-lru: %s", log)
	}
	set("ACL", "SETUSER", "default", "-config")
	if log := started(); log != "" {
		t.Errorf("CONFIG refused: %s", log)
	}
}

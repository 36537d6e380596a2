package queue

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// completed is an event whose task is in the critical queue.
const completed = "checkout.session.completed"

// bench is a queue in an empty Redis.
type bench struct {
	*Queue
	t     testing.TB
	delay asynq.RetryDelayFunc // of work: an hour, so that a slow machine makes no attempt too many
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return benchOn(t, devstack.RedisURL(t))
}

func benchOn(t testing.TB, redisURL string) *bench {
	t.Helper()
	q, err := Open(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{q, t, func(int, error, *asynq.Task) time.Duration { return time.Hour }}
}

func ref(id string) event.Ref { return event.Ref{ID: id, OccurredAt: time.Unix(1_700_000_000, 0)} }

func unfinished(ids ...string) []event.Unfinished {
	all := make([]event.Unfinished, len(ids))
	for i, id := range ids {
		all[i] = event.Unfinished{Ref: ref(id), Type: completed}
	}
	return all
}

// task is what Redis knows of a task.
type task struct {
	State   string
	Retried int
	Error   string
}

// task looks id up in the critical queue; the zero task if there is none.
func (b *bench) task(id string) task {
	b.t.Helper()
	info, err := b.inspector.GetTaskInfo(Critical, id)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound):
		return task{}
	case err != nil:
		b.t.Fatal(err)
	}
	return task{info.State.String(), info.Retried, info.LastErr}
}

func (b *bench) enqueue(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		if err := b.Enqueue(b.t.Context(), ref(id), completed); err != nil {
			b.t.Fatal(err)
		}
	}
}

// fleet starts a worker; what it returns shuts it down and waits for it, after
// which Redis holds the tasks' final states.
func (b *bench) fleet(cfg FleetConfig, handle Handler) (shutdown func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Work(ctx, cfg, handle) }()
	return func() {
		b.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	}
}

// work lets a worker make one attempt at each of n tasks, answering each with
// what handle says, and returns the attempts by id.
func (b *bench) work(n int, handle func(id string) error) map[string]event.Attempt {
	b.t.Helper()
	attempts := make(chan event.Attempt, n)
	shutdown := b.fleet(FleetConfig{Concurrency: n, delay: b.delay}, func(_ context.Context, a event.Attempt) error {
		attempts <- a
		return handle(a.ID)
	})
	seen := map[string]event.Attempt{}
	for range n {
		a := <-attempts
		seen[a.ID] = a
	}
	shutdown()
	return seen
}

func TestEnqueueTwiceIsOneTask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.enqueue("1", "1", "2", "1")
	if err := b.Enqueue(t.Context(), ref("3"), "customer.created"); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for _, name := range []string{Critical, Low} {
		info, err := b.inspector.GetQueueInfo(name)
		if err != nil {
			t.Fatal(err)
		}
		sizes[name] = info.Size
	}
	if diff := cmp.Diff(map[string]int{Critical: 2, Low: 1}, sizes); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	info, err := b.inspector.GetTaskInfo(Critical, "1")
	if err != nil {
		t.Fatal(err)
	}
	type contents struct {
		Type, Payload string
		MaxRetry      int
		Timeout       time.Duration
	}
	want := contents{TaskType, `{"id":"1","occurredAt":1700000000}`, MaxRetry + 1, taskTimeout}
	if diff := cmp.Diff(want, contents{info.Type, string(info.Payload), info.MaxRetry, info.Timeout}); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestARedisThatIsAwayIsAnError(t *testing.T) {
	t.Parallel()
	q, err := Open("redis://:hunter2@127.0.0.1:1/0") // a port that nobody listens on
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	one := unfinished("1")
	for _, err := range []error{q.Enqueue(t.Context(), one[0].Ref, completed), q.Requeue(t.Context(), one)[0].Err} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want an error without the password", err)
		}
	}
}

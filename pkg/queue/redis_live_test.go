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
	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	q, err := Open(devstack.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{q, t}
}

func ref(id string) event.Ref { return event.Ref{ID: id, OccurredAt: time.Unix(1_700_000_000, 0)} }

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
	cfg.Log = slog.New(slog.DiscardHandler)
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
	shutdown := b.fleet(FleetConfig{Concurrency: n}, func(_ context.Context, a event.Attempt) error {
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
	if err := b.Ping(); err != nil {
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
	want := contents{TaskType, `{"id":"1","occurredAt":1700000000}`, MaxRetry, taskTimeout}
	if diff := cmp.Diff(want, contents{info.Type, string(info.Payload), info.MaxRetry, info.Timeout}); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// An archived or completed task will never run again, and its id is in the
// way of a new one. All others will, and must not run twice.
func TestRequeue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("archived", "retry", "done")
	for id, option := range map[string]asynq.Option{"scheduled": asynq.ProcessIn(time.Hour), "completed": asynq.Retention(time.Hour)} {
		if _, err := b.client.Enqueue(asynq.NewTask(TaskType, []byte(`{"id":"`+id+`"}`)),
			asynq.TaskID(id), asynq.Queue(Critical), option); err != nil {
			t.Fatal(err)
		}
	}
	b.work(4, func(id string) error {
		return map[string]error{"archived": event.Permanent(errors.New("wrong amount")), "retry": errors.New("no payment")}[id]
	})
	b.enqueue("pending")
	all := []string{"archived", "completed", "done", "retry", "scheduled", "pending", "new"}
	states := func() map[string]string {
		now := map[string]string{}
		for _, id := range all {
			now[id] = b.task(id).State
		}
		return now
	}
	want := map[string]string{
		"archived": "archived", "completed": "completed", "done": "", "retry": "retry",
		"scheduled": "scheduled", "pending": "pending", "new": "",
	}
	if diff := cmp.Diff(want, states()); diff != "" {
		t.Fatal("before (-want +got)\n", diff)
	}
	made := map[string]bool{}
	for _, id := range all {
		var err error
		if made[id], err = b.Requeue(t.Context(), ref(id), completed); err != nil {
			t.Fatal(err)
		}
	}
	wantMade := map[string]bool{
		"archived": true, "completed": true, "done": true, "new": true, "retry": false, "scheduled": false, "pending": false,
	}
	if diff := cmp.Diff(wantMade, made); diff != "" {
		t.Error("made (-want +got)\n", diff)
	}
	want["archived"], want["completed"], want["done"], want["new"] = "pending", "pending", "pending", "pending"
	if diff := cmp.Diff(want, states()); diff != "" {
		t.Error("after (-want +got)\n", diff)
	}
	if got := b.task("archived"); got.Retried != 0 || got.Error != "" {
		t.Errorf("the new task has the old one's past: %+v", got)
	}
}

// A task under way is left alone too: it is being worked on.
func TestRequeueOfATaskUnderWay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("1")
	b.work(1, func(id string) error {
		if made, err := b.Requeue(context.Background(), ref(id), completed); made || err != nil {
			t.Errorf("made %t, %v", made, err)
		}
		return nil
	})
	if got := b.task("1"); got != (task{}) {
		t.Errorf("%+v is left", got)
	}
}

func TestARedisThatIsAwayIsAnError(t *testing.T) {
	t.Parallel()
	q, err := Open("redis://:hunter2@127.0.0.1:1/0") // a port that nobody listens on
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Enqueue(t.Context(), ref("1"), completed); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v, want an error without the password", err)
	}
}

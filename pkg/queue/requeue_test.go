package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

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
	made := b.Requeue(t.Context(), unfinished(all...))
	for _, i := range []int{3, 4} { // to the second
		if until := time.Until(made[i].Next); until < -time.Second || until > time.Hour {
			t.Errorf("the next attempt of %s is in %s", all[i], until)
		}
		made[i].Next = time.Time{}
	}
	wantMade := []event.Task{{Made: true}, {Made: true}, {Made: true}, {}, {}, {}, {Made: true}}
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
		for _, look := range []func(context.Context, []event.Unfinished) []event.Task{b.Requeue, b.Renew} {
			if got := look(context.Background(), unfinished(id))[0]; got != (event.Task{}) {
				t.Errorf("%+v", got)
			}
		}
		return nil
	})
	if got := b.task("1"); got != (task{}) {
		t.Errorf("%+v is left", got)
	}
}

// A replayed event has all its attempts, whatever its task has been through.
func TestRenewGivesAllAttemptsAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := []string{"archived", "retry", "new", "pending"}
	b.enqueue("archived", "retry", "pending")
	waiting := errors.New("no payment")
	b.work(3, func(id string) error {
		if id == "archived" {
			return event.Permanent(waiting)
		}
		return waiting
	})
	if err := b.inspector.RunTask(Critical, "pending"); err != nil {
		t.Fatal(err)
	}
	if got := []task{b.task("archived"), b.task("retry"), b.task("pending")}; got[0].State != "archived" || got[1].Retried != 1 || got[2].Retried != 1 {
		t.Fatalf("before: %+v", got)
	}
	for i, made := range b.Renew(t.Context(), unfinished(ids...)) {
		if made != (event.Task{Made: true}) || b.task(ids[i]) != (task{State: "pending"}) {
			t.Errorf("%s: %+v, %+v", ids[i], made, b.task(ids[i]))
		}
	}
	for id, a := range b.work(4, func(string) error { return nil }) {
		if a.Number != 1 {
			t.Errorf("%s is at attempt %d", id, a.Number)
		}
	}
	if n, err := b.redis.Exists(t.Context(), "asynq:{critical}:pending", "asynq:{critical}:retry").Result(); n != 0 || err != nil {
		t.Errorf("%d lists are left, %v", n, err)
	}
}

// A long queue gets no longer: the customer who pays now would wait for all of
// it. What is in it stays, and so does a queue beside it.
func TestALongQueueIsNotMadeLonger(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ids []string
	for i := range maxPending + 700 {
		ids = append(ids, fmt.Sprint(i))
	}
	events := unfinished(ids...)
	events[len(events)-1].Type = "customer.created" // of another queue
	count := func(tasks []event.Task) (n [3]int) {
		for i, t := range tasks {
			if t.Made {
				n[0]++
			}
			if t.Full {
				n[1]++
			}
			if t.Err != nil || t.Made && i >= maxPending && i < len(tasks)-1 {
				n[2]++
			}
		}
		return n
	}
	if got, want := count(b.Requeue(t.Context(), events)), [3]int{maxPending + 1, 699, 0}; got != want {
		t.Errorf("made, full, wrong: %v, want %v", got, want)
	}
	if got, want := count(b.Requeue(t.Context(), events)), [3]int{0, 699, 0}; got != want {
		t.Errorf("again: made, full, wrong: %v, want %v", got, want)
	}
	if n := b.redis.LLen(t.Context(), key("pending")).Val(); n != maxPending {
		t.Errorf("%d tasks are pending", n)
	}
	// Ingest is not bound by it. In a list that is too long to be searched
	// nothing is a ghost.
	for i := range longestSearch {
		b.enqueue(fmt.Sprint("new", i))
	}
	b.redis.LRem(t.Context(), key("pending"), 0, "7")
	if got := b.Requeue(t.Context(), unfinished("7"))[0]; got != (event.Task{}) {
		t.Errorf("%+v", got)
	}
}

// What is wrong with one queue's keys is of that queue's events.
func TestABrokenQueueIsItsOwnTrouble(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.redis.Set(t.Context(), key("pending"), "not a list", 0)
	events := unfinished("1", "2", "3")
	events[1].Type = "refund.created"
	got := b.Requeue(t.Context(), events)
	if got[0].Err == nil || got[1] != (event.Task{Made: true}) || got[2].Err == nil {
		t.Errorf("%+v", got)
	}
}

// After a loss of Redis asynq's tools know our queues again, and a waiting
// event can be woken.
func TestQueuesAreNamedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("0")
	if err := b.redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.enqueue("1")
	b.work(1, func(string) error { return errors.New("no payment") })
	if now, err := b.RunNow(t.Context(), ref("1"), completed); !now || err != nil || b.task("1").State != "pending" {
		t.Errorf("%t, %v, %+v", now, err, b.task("1"))
	}
	if err := b.redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.Requeue(t.Context(), unfinished("1"))
	names, err := b.inspector.Queues()
	slices.Sort(names)
	if diff := cmp.Diff([]string{Critical, Default, Low}, names); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

const (
	// maxPending is up to what length of a queue tasks are made again. asynq's
	// queues are first come first served: after a loss of Redis, a hundred
	// thousand old tasks would stand before the customer who pays now. These
	// few are worked off in a fraction of a second, and enough to keep a fleet
	// busy until its recoverers look again, many times a second. Several of them
	// may exceed it by a page each.
	maxPending = 1000

	// lookPage is how many tasks one script looks at: some milliseconds, in
	// which Redis does nothing else.
	lookPage = 500

	// enqueuers make tasks at the same time, each a round trip.
	enqueuers = 32
)

// Requeue looks at the tasks of events that should have been worked off long
// since, and makes one for each that has none that will run. It answers for
// each event; an error is of the events that it is given with. While a queue is
// long no task is added to it.
func (q *Queue) Requeue(ctx context.Context, events []event.Unfinished) []event.Task {
	return q.requeue(ctx, events, false)
}

// Renew is Requeue for events that are to have all their attempts again: a task
// that waits is replaced by a new one. One that is being worked on stays.
func (q *Queue) Renew(ctx context.Context, events []event.Unfinished) []event.Task {
	return q.requeue(ctx, events, true)
}

func (q *Queue) requeue(ctx context.Context, events []event.Unfinished, renew bool) []event.Task {
	tasks := make([]event.Task, len(events))
	byQueue := map[string][]int{}
	for i, e := range events {
		name := queueOf(e.Type)
		byQueue[name] = append(byQueue[name], i)
	}
	// A queue that Redis has forgotten stays unknown to asynq's inspector, as
	// its client has named it once and for all. Whether this works shows below.
	_ = q.publish(ctx)
	for _, name := range []string{Critical, Default, Low} {
		for at := range slices.Chunk(byQueue[name], lookPage) {
			q.requeuePage(ctx, name, events, at, tasks, renew)
		}
	}
	return tasks
}

// requeuePage is Requeue for events[at[0]], events[at[1]] … of one queue.
func (q *Queue) requeuePage(ctx context.Context, name string, events []event.Unfinished, at []int, tasks []event.Task, renew bool) {
	page := make([]event.Unfinished, len(at))
	for i, k := range at {
		page[i] = events[k]
	}
	pending, found, err := q.look(ctx, name, page, renew)
	if err != nil {
		for _, k := range at {
			tasks[k].Err = err
		}
		return
	}
	var missing []int
	for i, k := range at {
		tasks[k].Mended = found[i] == lookGhost
		switch {
		case found[i] > lookLive:
			tasks[k].Next = time.Unix(found[i], 0)
		case found[i] == lookLive:
		case pending+len(missing) >= maxPending:
			tasks[k].Full = true
		default:
			missing = append(missing, k)
		}
	}
	work := make(chan int)
	var running sync.WaitGroup
	for range min(enqueuers, len(missing)) {
		running.Go(func() {
			for k := range work {
				tasks[k].Made, tasks[k].Err = q.enqueue(ctx, events[k].Ref, events[k].Type)
			}
		})
	}
	for _, k := range missing {
		work <- k
	}
	close(work)
	running.Wait()
}

// publish tells asynq's tools of our queues.
func (q *Queue) publish(ctx context.Context) error {
	if err := q.redis.SAdd(ctx, "asynq:queues", Critical, Default, Low).Err(); err != nil {
		return fmt.Errorf("naming the queues: %w", err)
	}
	return nil
}

// RunNow makes the task of a waiting event run at once instead of at the end
// of its backoff. It reports false for a task that is being worked on: that
// attempt may have begun before there was a reason to try again.
func (q *Queue) RunNow(ctx context.Context, ref event.Ref, eventType string) (bool, error) {
	name := queueOf(eventType)
	info, err := q.inspector.GetTaskInfo(name, ref.ID)
	if errors.Is(err, asynq.ErrQueueNotFound) {
		if err := q.publish(ctx); err != nil {
			return false, err
		}
		info, err = q.inspector.GetTaskInfo(name, ref.ID)
	}
	if errors.Is(err, asynq.ErrTaskNotFound) {
		_, err = q.enqueue(ctx, ref, eventType) // Redis has lost it
		return err == nil, err
	}
	if err == nil {
		switch info.State {
		case asynq.TaskStatePending:
			return true, nil
		case asynq.TaskStateActive:
			return false, nil
		}
		if err = q.inspector.RunTask(name, ref.ID); err == nil {
			return true, nil
		}
	}
	// Another worker was faster, or Redis has lost a part of the task.
	t := q.Requeue(ctx, []event.Unfinished{{Ref: ref, Type: eventType}})[0]
	return t.Err == nil && t.Next.IsZero(), t.Err
}

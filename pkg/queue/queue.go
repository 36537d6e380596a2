package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

// TaskType is the name of the one kind of task there is.
const TaskType = "stripe:event"

// The queues, by what a customer is waiting for.
const (
	Critical = "critical" // may turn an order PAID
	Default  = "default"  // changes an order otherwise
	Low      = "low"      // everything else
)

// weights are how often a worker looks into each queue. Not strict: a flood of
// paid orders must not keep refunds waiting for ever.
var weights = map[string]int{Critical: 6, Default: 3, Low: 1}

const (
	// MaxRetry and the delays between add up to about 72 hours, the time for
	// which an event waits for its payment to appear.
	MaxRetry  = 25
	firstWait = time.Second
	maxWait   = 6 * time.Hour

	// outageWait is the pause after a service failed us: no attempt is used
	// up, and a short outage should cost no more than it lasted.
	outageWait = 3 * time.Second

	// taskTimeout bounds one attempt; its statements are bounded below that.
	taskTimeout = 30 * time.Second
)

// Queue puts tasks into Redis.
type Queue struct {
	conn      asynq.RedisConnOpt
	client    *asynq.Client
	inspector *asynq.Inspector
}

// Open makes a client for redisURL. It doesn't connect yet.
func Open(redisURL string) (*Queue, error) {
	conn, err := connection(redisURL)
	if err != nil {
		return nil, err
	}
	return &Queue{conn: conn, client: asynq.NewClient(conn), inspector: asynq.NewInspector(conn)}, nil
}

// Close releases the connections.
func (q *Queue) Close() error {
	if err := errors.Join(q.client.Close(), q.inspector.Close()); err != nil {
		return fmt.Errorf("closing the queue: %w", err)
	}
	return nil
}

// Ping reports whether Redis answers.
func (q *Queue) Ping() error {
	if err := q.client.Ping(); err != nil {
		return fmt.Errorf("pinging Redis: %w", err)
	}
	return nil
}

// payload is a task's content: a reference and no more, so that what Redis
// holds is small and never out of date.
type payload struct {
	ID         string `json:"id"`
	OccurredAt int64  `json:"occurredAt"` // unix seconds, names the event's partition
}

// Enqueue makes the event's task, whose id is the event's: one that is there
// already is no error, and no second one.
func (q *Queue) Enqueue(ctx context.Context, ref event.Ref, eventType string) error {
	_, err := q.enqueue(ctx, ref, eventType)
	return err
}

// Requeue is Enqueue for an event that should have been worked off long since.
// A task of the same id that will never run again makes room for a new one. It
// reports whether a task was made.
func (q *Queue) Requeue(ctx context.Context, ref event.Ref, eventType string) (bool, error) {
	made, err := q.enqueue(ctx, ref, eventType)
	if made || err != nil {
		return made, err
	}
	name := queueOf(eventType)
	info, err := q.inspector.GetTaskInfo(name, ref.ID)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound):
		return false, nil // finished this moment
	case err != nil:
		return false, fmt.Errorf("looking at task %s: %w", ref.ID, err)
	case info.State != asynq.TaskStateArchived && info.State != asynq.TaskStateCompleted:
		return false, nil // it will run
	}
	if err := q.inspector.DeleteTask(name, ref.ID); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return false, fmt.Errorf("deleting archived task %s: %w", ref.ID, err)
	}
	return q.enqueue(ctx, ref, eventType)
}

// RunNow makes the task of a waiting event run at once instead of at the end
// of its backoff. It reports false for a task that is being worked on: that
// attempt may have begun before there was a reason to try again.
func (q *Queue) RunNow(ctx context.Context, ref event.Ref, eventType string) (bool, error) {
	name := queueOf(eventType)
	info, err := q.inspector.GetTaskInfo(name, ref.ID)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		_, err = q.enqueue(ctx, ref, eventType) // Redis has lost it
		return err == nil, err
	}
	if err != nil {
		return false, fmt.Errorf("looking at task %s: %w", ref.ID, err)
	}
	switch info.State {
	case asynq.TaskStatePending:
		return true, nil
	case asynq.TaskStateActive:
		return false, nil
	}
	// Another worker may have been faster, which is as good.
	if err := q.inspector.RunTask(name, ref.ID); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return false, fmt.Errorf("running task %s: %w", ref.ID, err)
	}
	return true, nil
}

func (q *Queue) enqueue(ctx context.Context, ref event.Ref, eventType string) (made bool, err error) {
	body, err := json.Marshal(payload{ref.ID, ref.OccurredAt.Unix()})
	if err != nil {
		return false, fmt.Errorf("encoding task %s: %w", ref.ID, err)
	}
	_, err = q.client.EnqueueContext(ctx, asynq.NewTask(TaskType, body),
		asynq.TaskID(ref.ID), asynq.Queue(queueOf(eventType)), asynq.MaxRetry(MaxRetry), asynq.Timeout(taskTimeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("enqueuing task %s: %w", ref.ID, err)
	}
	return true, nil
}

// queueOf is a function of the type alone, because a task's id is unique only
// within its queue.
func queueOf(eventType string) string {
	switch family, _, _ := strings.Cut(eventType, "."); family {
	case "checkout", "payment_intent":
		return Critical
	case "charge":
		if eventType == "charge.succeeded" || eventType == "charge.captured" {
			return Critical
		}
		return Default
	case "refund":
		return Default
	}
	return Low
}

// outage reports whether an attempt failed for no fault of the event's: a
// service was away, the attempt ran out of time, or its process died.
func outage(err error) bool {
	return event.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, asynq.ErrLeaseExpired)
}

// retryDelay doubles from firstWait to maxWait, with half of it at random, so
// that what failed together doesn't come back together.
func retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	wait := maxWait
	if outage(err) {
		wait = outageWait
	} else if retried < 15 { // 2^15 s is beyond maxWait
		wait = min(maxWait, firstWait<<retried)
	}
	return wait/2 + rand.N(wait)
}

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

	// strangerWait is the pause before a task that only another version of this
	// program understands may meet one: a deployment takes minutes.
	strangerWait = 15 * time.Second

	// taskRetry is asynq's own limit. It is one more than we ever use: a task
	// that has reached asynq's is archived for whatever goes wrong, and an
	// outage must not end an event even at its last attempt.
	taskRetry = MaxRetry + 1

	// taskTimeout bounds one attempt; its statements are bounded below that.
	taskTimeout = 30 * time.Second
)

// Queue puts tasks into Redis.
type Queue struct {
	conn      asynq.RedisConnOpt
	redis     *shared // client and inspector use it, too
	client    *asynq.Client
	writer    *taskWriter
	inspector *asynq.Inspector
}

// Open makes a client for redisURL. It doesn't connect yet.
func Open(redisURL string) (*Queue, error) {
	conn, err := connection(redisURL)
	if err != nil {
		return nil, err
	}
	r := share(dial(conn))
	return &Queue{
		conn: conn, redis: r, client: asynq.NewClientFromRedisClient(r), writer: newTaskWriter(r), inspector: asynq.NewInspectorFromRedisClient(r),
	}, nil
}

// Close releases the connections.
func (q *Queue) Close() error {
	if err := q.redis.Close(); err != nil {
		return fmt.Errorf("closing the queue: %w", err)
	}
	return nil
}

// Ping reports whether Redis answers.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("pinging Redis: %w", err)
	}
	return nil
}

// Enqueue makes the event's task, whose id is the event's: one that is there
// already is no error, and no second one.
func (q *Queue) Enqueue(ctx context.Context, ref event.Ref, eventType string) error {
	_, err := q.enqueue(ctx, ref, eventType)
	return err
}

func (q *Queue) enqueue(ctx context.Context, ref event.Ref, eventType string) (made bool, err error) {
	task, options, err := taskOf(ref, eventType)
	if err != nil {
		return false, err
	}
	_, err = q.client.EnqueueContext(ctx, task, options...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("enqueuing task %s: %w", ref.ID, err)
	}
	return true, nil
}

// taskOf is an event's task.
func taskOf(ref event.Ref, eventType string) (*asynq.Task, []asynq.Option, error) {
	at := ref.OccurredAt.Unix()
	body, err := json.Marshal(payload{ref.ID, &at, ref.Trace})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding task %s: %w", ref.ID, err)
	}
	return asynq.NewTask(TaskType, body),
		[]asynq.Option{asynq.TaskID(ref.ID), asynq.Queue(queueOf(eventType)), asynq.MaxRetry(taskRetry), asynq.Timeout(taskTimeout)}, nil
}

// queueOf is a function of the type alone, because a task's id is unique only
// within its queue.
func queueOf(eventType string) string {
	eventType = strings.TrimPrefix(eventType, "v1.") // a thin event is as urgent as what it stands for
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
	if errors.Is(err, errStranger) {
		wait = strangerWait
	} else if later, ok := event.Wait(err); ok {
		wait = max(firstWait, later)
	} else if outage(err) {
		wait = outageWait
	} else if retried < 15 { // 2^15 s is beyond maxWait
		wait = min(maxWait, firstWait<<retried)
	}
	return wait/2 + rand.N(wait)
}

package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/event"
)

//go:embed enqueue.lua
var enqueueText string

var enqueueScript = redis.NewScript(enqueueText)

// mostTogether is how many tasks one script makes: Redis does nothing else
// meanwhile, and Lua's stack has an end.
const mostTogether = 256

// EnqueueAll makes the tasks of many events in one round trip. One that is there
// already is no error, and no second one; after an error any of them may be there.
func (q *Queue) EnqueueAll(ctx context.Context, records []event.Record) error {
	for some := range slices.Chunk(records, mostTogether) {
		if err := q.enqueueSome(ctx, some); err != nil {
			return fmt.Errorf("enqueuing %d tasks: %w", len(records), err)
		}
	}
	return nil
}

func (q *Queue) enqueueSome(ctx context.Context, records []event.Record) error {
	written, err := q.writer.write(ctx, records)
	if err != nil {
		return err
	}
	pipe := q.redis.UniversalClient.Pipeline()
	made := make([]*redis.Cmd, 0, len(written))
	for _, w := range written {
		made = append(made, enqueueScript.EvalSha(ctx, pipe, w.keys, w.args...))
	}
	addRing(ctx, pipe)
	_, _ = pipe.Exec(ctx) // the first command's error, which that command has
	var faults []error
	for i, cmd := range made {
		faults = append(faults, q.redis.known(ctx, enqueueScript, *written[i], cmd).Err())
	}
	return errors.Join(faults...)
}

// taskWriter has asynq write tasks, and keeps what it would have sent to Redis.
type taskWriter struct {
	redis.UniversalClient // for all else that asynq sends
	client                *asynq.Client

	mu      sync.Mutex // held while writing
	scripts []script
}

func newTaskWriter(c redis.UniversalClient) *taskWriter {
	w := &taskWriter{UniversalClient: c}
	w.client = asynq.NewClientFromRedisClient(w)
	return w
}

// EvalSha keeps asynq's script for one task, which makes it and answers 1.
func (w *taskWriter) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	w.scripts = append(w.scripts, script{sha, keys, args})
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(1))
	return cmd
}

// write answers one script's keys and arguments for each queue.
func (w *taskWriter) write(ctx context.Context, records []event.Record) ([]*script, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts = w.scripts[:0]
	for _, r := range records {
		task, options, err := taskOf(r.Ref(), r.Type)
		if err != nil {
			return nil, err
		}
		if _, err := w.client.EnqueueContext(ctx, task, options...); err != nil {
			return nil, fmt.Errorf("writing task %s: %w", r.ID, err)
		}
	}
	var queues []*script
	for _, s := range w.scripts {
		// asynq's has the task's hash and the queue's list, and the task's content,
		// its id and the time.
		if len(s.keys) != 2 || len(s.args) != 3 {
			return nil, fmt.Errorf("asynq makes a task with %d keys and %d arguments, want 2 and 3", len(s.keys), len(s.args))
		}
		i := slices.IndexFunc(queues, func(q *script) bool { return q.keys[0] == s.keys[1] })
		if i < 0 {
			i = len(queues)
			queues = append(queues, &script{keys: []string{s.keys[1]}, args: []any{time.Now().UnixNano()}})
		}
		queues[i].keys = append(queues[i].keys, s.keys[0])
		queues[i].args = append(queues[i].args, s.args[1], s.args[0])
	}
	return queues, nil
}

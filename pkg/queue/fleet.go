package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

// Handler works one event off. Its error decides what follows: a permanent
// one archives the task, an unavailable one costs no attempt, any other is
// retried.
type Handler func(ctx context.Context, a event.Attempt) error

// FleetConfig is a worker process's share of the work.
type FleetConfig struct {
	Concurrency     int           // tasks at a time, default 384: they share transactions
	ShutdownTimeout time.Duration // for tasks under way; what isn't done by then goes back to the queue; default 8 s
	Log             *slog.Logger

	delay asynq.RetryDelayFunc // default retryDelay
}

// taskCheckInterval is about how long asynq sleeps when it has heard that every
// queue is empty. Then it asks again, and waits for the bell instead: asynq's
// default of a second would be most of the time between paying and seeing PAID.
const taskCheckInterval = 200 * time.Microsecond

// errStranger is of a task that another version of this program has made.
var errStranger = event.Unavailable(errors.New("this worker does not know tasks of this type, a newer one will"))

// Work takes tasks until ctx ends, then finishes or hands back those under way.
func (q *Queue) Work(ctx context.Context, cfg FleetConfig, handle Handler) error {
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 384
	}
	if cfg.delay == nil {
		cfg.delay = retryDelay
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = 8 * time.Second
	}
	connections := takeAhead(share(dial(q.conn)), cfg.Concurrency)
	connections.log = cfg.Log
	defer func() { // after the server; what it still says is lost, as with asynq's own
		if err := connections.Close(); err != nil {
			cfg.Log.Warn("tasks not given back, others work them off when their leases end", "error", err)
		}
	}()
	q.warnOfEviction(ctx, cfg.Log)
	server := asynq.NewServerFromRedisClient(connections, cfg.server())
	if err := server.Start(handler(handle, cfg.Log)); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	defer server.Shutdown()
	<-ctx.Done()
	return nil
}

func (cfg FleetConfig) server() asynq.Config {
	return asynq.Config{
		Concurrency: cfg.Concurrency, Queues: weights,
		TaskCheckInterval: taskCheckInterval, DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout: cfg.ShutdownTimeout,
		RetryDelayFunc:  cfg.delay,
		IsFailure:       func(err error) bool { return !outage(err) },
		Logger:          asynqLog{cfg.Log}, LogLevel: asynq.WarnLevel,
	}
}

// errUnreadable is of a task that we have not made, or that was damaged since.
var errUnreadable = event.Permanent(errors.New("the task's payload is not a reference to an event"))

// handler is what asynq calls for each task. A task of a type that this version
// doesn't know goes back to the queue, for a newer worker, and keeps its
// attempts: while a deployment goes on both are at work. One that can't be read is
// archived at once; if it was an event's, the recoverer finds that the event has
// no task that will run, and makes another.
func handler(handle Handler, log *slog.Logger) asynq.HandlerFunc {
	return func(ctx context.Context, task *asynq.Task) error {
		if task.Type() != TaskType {
			return errStranger
		}
		a, ok := attemptOf(ctx, task)
		if !ok {
			id, _ := asynq.GetTaskID(ctx)
			log.Error("task archived", "id", id, "error", errUnreadable)
			return fmt.Errorf("%w: %w", errUnreadable, asynq.SkipRetry)
		}
		err := handle(ctx, a)
		if event.IsPermanent(err) || a.Last && err != nil && !outage(err) {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		return err
	}
}

// warnOfEviction says once if Redis may drop a part of a task when its memory
// is full. A managed Redis may not tell; then nothing is said.
func (q *Queue) warnOfEviction(ctx context.Context, log *slog.Logger) {
	const setting = "maxmemory-policy"
	ctx, cancel := context.WithTimeout(ctx, ioTimeout) // the work need not wait for it
	defer cancel()
	values, err := q.redis.ConfigGet(ctx, setting).Result()
	if policy := values[setting]; err == nil && policy != "" && policy != "noeviction" {
		log.Warn("Redis drops tasks when its memory is full; set maxmemory-policy to noeviction", "policy", policy)
	}
}

// attemptOf reads a task. Its time may be missing: then the event is looked up
// by its id alone.
func attemptOf(ctx context.Context, task *asynq.Task) (a event.Attempt, ok bool) {
	p, err := readPayload(task.Payload())
	if err != nil || !p.sound() {
		return event.Attempt{}, false
	}
	ref := event.Ref{ID: p.ID, Trace: p.Trace}
	if p.OccurredAt != nil {
		ref.OccurredAt = time.Unix(*p.OccurredAt, 0)
	}
	retried, _ := asynq.GetRetryCount(ctx)
	maxRetry, _ := asynq.GetMaxRetry(ctx)
	return event.Attempt{Ref: ref, Number: retried + 1, Last: retried >= min(maxRetry, MaxRetry)}, true
}

// asynqLog puts asynq's own lines under ours.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq", "message", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info("asynq", "message", fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }

// Warn leaves out that a task is archived: whoever ended it has said so, and why.
func (l asynqLog) Warn(args ...any) {
	if text := fmt.Sprint(args...); !strings.HasPrefix(text, "Retry exhausted for task id=") {
		l.log.Warn("asynq", "message", text)
	}
}

// Fatal must not end the process: whoever started the fleet decides.
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }

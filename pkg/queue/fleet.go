package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	Concurrency     int           // tasks at a time, default 128: they share transactions
	ShutdownTimeout time.Duration // for tasks under way; what isn't done by then goes back to the queue; default 8 s
	Log             *slog.Logger
}

// taskCheckInterval is how long an idle worker sleeps. asynq's default of a
// second would be most of the time between paying and seeing PAID.
const taskCheckInterval = 5 * time.Millisecond

// Work takes tasks until ctx ends, then finishes or hands back those under way.
func (q *Queue) Work(ctx context.Context, cfg FleetConfig, handle Handler) error {
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 128
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = 8 * time.Second
	}
	server := asynq.NewServer(q.conn, asynq.Config{
		Concurrency: cfg.Concurrency, Queues: weights,
		TaskCheckInterval: taskCheckInterval, DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout: cfg.ShutdownTimeout,
		RetryDelayFunc:  retryDelay,
		IsFailure:       func(err error) bool { return !outage(err) },
		Logger:          asynqLog{cfg.Log}, LogLevel: asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(TaskType, func(ctx context.Context, task *asynq.Task) error {
		a, err := attemptOf(ctx, task)
		if err == nil {
			err = handle(ctx, a)
		}
		if event.IsPermanent(err) {
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		return err
	})
	if err := server.Start(mux); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

func attemptOf(ctx context.Context, task *asynq.Task) (event.Attempt, error) {
	var p payload
	if err := json.Unmarshal(task.Payload(), &p); err != nil || p.ID == "" {
		return event.Attempt{}, event.Permanent(errors.New("the task's payload is not a reference to an event"))
	}
	retried, _ := asynq.GetRetryCount(ctx)
	maxRetry, _ := asynq.GetMaxRetry(ctx)
	return event.Attempt{
		Ref:    event.Ref{ID: p.ID, OccurredAt: time.Unix(p.OccurredAt, 0)},
		Number: retried + 1, Last: retried >= maxRetry,
	}, nil
}

// asynqLog puts asynq's own lines under ours.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq", "message", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info("asynq", "message", fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn("asynq", "message", fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }

// Fatal must not end the process: whoever started the fleet decides.
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq", "message", fmt.Sprint(args...)) }

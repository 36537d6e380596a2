package reference

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jmoiron/sqlx"
	"github.com/stripe/stripe-go/v76"
	"golang.org/x/sync/errgroup"
)

// Work is the usual worker, until ctx ends: one transaction per event and one
// statement per step. Everything of asynq's that isn't named has its default.
func Work(ctx context.Context, databaseURL, redisURL string, concurrency int) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	return tasks(ctx, redisURL, asynq.Config{Concurrency: concurrency}, func(ctx context.Context, task *asynq.Task) error {
		return apply(ctx, db, string(task.Payload()))
	})
}

func apply(ctx context.Context, db *sqlx.DB, eventID string) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback()
	var payload []byte
	if err := tx.GetContext(ctx, &payload,
		`SELECT payload FROM webhook_events WHERE event_id = $1 AND status = 'PROCESSING' FOR UPDATE`, eventID); err != nil {
		return fmt.Errorf("reading the event: %w", err)
	}
	var event stripe.Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("decoding the event: %w", err)
	}
	var session stripe.CheckoutSession
	if err := json.Unmarshal(event.Data.Raw, &session); err != nil {
		return fmt.Errorf("decoding the session: %w", err)
	}
	var found struct {
		Payment string `db:"payment"`
		Order   string `db:"order"`
	}
	if err := tx.GetContext(ctx, &found, `SELECT p.id AS payment, o.id AS "order" FROM payments p JOIN orders o ON o.id = p.order_id
		WHERE p.provider_payment_id = $1 FOR UPDATE`, session.ID); err != nil {
		return fmt.Errorf("finding the payment: %w", err)
	}
	for _, step := range []struct{ statement, id string }{
		{`UPDATE payments SET status = 'COMPLETED', updated_at = now() WHERE id = $1`, found.Payment},
		{`UPDATE orders SET status = 'PAID', paid_at = now(), updated_at = now() WHERE id = $1`, found.Order},
		{`UPDATE webhook_events SET status = 'COMPLETED', processed_at = now() WHERE event_id = $1`, eventID},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.id); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// Noop takes count tasks and does nothing with them: asynq's own speed. It
// answers how long that took, from the first to the last.
func Noop(ctx context.Context, redisURL string, concurrency, count int) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var first, last, done atomic.Int64
	err := tasks(ctx, redisURL, asynq.Config{Concurrency: concurrency}, func(context.Context, *asynq.Task) error {
		now := time.Now().UnixNano()
		first.CompareAndSwap(0, now)
		if done.Add(1) == int64(count) {
			last.Store(now)
			stop()
		}
		return nil
	})
	if err == nil && last.Load() == 0 {
		err = context.Cause(ctx)
	}
	return time.Duration(last.Load() - first.Load()), err
}

func tasks(ctx context.Context, redisURL string, cfg asynq.Config, handle asynq.HandlerFunc) error {
	redis, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return fmt.Errorf("reading the reference's Redis URL: %w", err)
	}
	cfg.LogLevel = asynq.ErrorLevel
	server := asynq.NewServer(redis, cfg)
	if err := server.Start(handle); err != nil {
		return fmt.Errorf("starting the reference's worker: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

// Enqueue puts one task per id into the queue, several at a time.
func Enqueue(ctx context.Context, redisURL string, ids []string) error {
	redis, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return fmt.Errorf("reading the reference's Redis URL: %w", err)
	}
	client := asynq.NewClient(redis)
	defer client.Close()
	senders, ctx := errgroup.WithContext(ctx)
	senders.SetLimit(maxConns)
	for _, id := range ids {
		senders.Go(func() error {
			_, err := client.EnqueueContext(ctx, asynq.NewTask(taskType, []byte(id)), asynq.TaskID(id))
			return err
		})
	}
	if err := senders.Wait(); err != nil {
		return fmt.Errorf("enqueuing the reference's tasks: %w", err)
	}
	return nil
}

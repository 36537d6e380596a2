package app_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// How fast two recoverers make tasks for 100,000 events when Redis is empty:
// alone, where what is in the queue just vanishes, and with a fleet that takes
// each task and does nothing:
// go test ./pkg/app -run xxx -bench Recover -benchtime 1x
func BenchmarkRecover(b *testing.B) {
	b.Run("alone", func(b *testing.B) {
		benchmarkRecover(b, func(ctx context.Context, redisURL string, _ *queue.Queue) error {
			return vanish(ctx, redisURL)
		})
	})
	b.Run("with a fleet", func(b *testing.B) {
		benchmarkRecover(b, func(ctx context.Context, _ string, tasks *queue.Queue) error {
			return tasks.Work(ctx, queue.FleetConfig{Log: slog.New(slog.DiscardHandler)},
				func(context.Context, event.Attempt) error { return nil })
		})
	})
}

// vanish empties the queue over and over.
func vanish(ctx context.Context, redisURL string) error {
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(options)
	defer client.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := client.Unlink(ctx, "asynq:{critical}:pending").Err(); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func benchmarkRecover(b *testing.B, drain func(ctx context.Context, redisURL string, tasks *queue.Queue) error) {
	const events = 100_000
	var total time.Duration
	for range b.N {
		total += recoverOnce(b, events, drain)
	}
	b.ReportMetric(events*float64(b.N)/total.Seconds(), "events/s")
}

func recoverOnce(b *testing.B, events int, drain func(ctx context.Context, redisURL string, tasks *queue.Queue) error) time.Duration {
	server := devstack.RealRedis(b)
	db, err := postgres.Open(devstack.Database(b, migrate), postgres.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT n, 'charge.succeeded', 'PROCESSING', 'r', convert_to(repeat('x', 2000), 'UTF8'), now(), now() - interval '1 hour' + n * interval '1 ms', n
		FROM generate_series(1, $1::int) AS n`, events); err != nil {
		b.Fatal(err)
	}
	tasks, err := queue.Open(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer tasks.Close()
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := drain(ctx, server.URL, tasks); err != nil {
			b.Error(err)
		}
	})
	metrics := []*telemetry.Metrics{telemetry.NewMetrics(), telemetry.NewMetrics()}
	started := time.Now()
	for _, m := range metrics {
		r := worker.NewRecoverer(worker.RecovererConfig{Age: time.Minute, Interval: 10 * time.Millisecond}, db, tasks, m, slog.New(slog.DiscardHandler))
		running.Go(func() { r.Run(ctx) })
	}
	tick := time.NewTicker(5 * time.Millisecond)
	for recovered(b, metrics[0])+recovered(b, metrics[1]) < events {
		<-tick.C
	}
	took := time.Since(started)
	stop()
	running.Wait()
	b.Logf("%d events in %s, recovered by each: %d, %d", events, took.Round(time.Millisecond), recovered(b, metrics[0]), recovered(b, metrics[1]))
	return took
}

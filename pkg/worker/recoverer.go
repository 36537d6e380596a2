package worker

import (
	"context"
	"log/slog"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Backlog finds stored events that are not finished.
type Backlog interface {
	// UnfinishedEvents pages through those older than age, oldest first.
	UnfinishedEvents(ctx context.Context, age time.Duration, after event.Unfinished, limit int) ([]event.Unfinished, error)
}

// Requeuer makes a task for an event that has none that will run.
type Requeuer interface {
	Requeue(ctx context.Context, ref event.Ref, eventType string) (made bool, err error)
}

// RecovererConfig says how eager the recoverer is.
type RecovererConfig struct {
	Age      time.Duration // how long an event may be PROCESSING before it is looked after, default 30 s
	Interval time.Duration // between two looks, default 10 s
}

// recovererPage is how many events are looked after at a time.
const recovererPage = 500

// Recoverer puts into the queue what is stored but has no task: Redis was away
// when it came, or has lost its memory since.
type Recoverer struct {
	cfg     RecovererConfig
	backlog Backlog
	queue   Requeuer
	metrics *telemetry.Metrics
	log     *slog.Logger
}

// NewRecoverer fills in the defaults of cfg.
func NewRecoverer(cfg RecovererConfig, b Backlog, q Requeuer, m *telemetry.Metrics, log *slog.Logger) *Recoverer {
	if cfg.Age == 0 {
		cfg.Age = 30 * time.Second
	}
	if cfg.Interval == 0 {
		cfg.Interval = 10 * time.Second
	}
	return &Recoverer{cfg: cfg, backlog: b, queue: q, metrics: m, log: log}
}

// Run looks every interval until ctx ends.
func (r *Recoverer) Run(ctx context.Context) {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		made, err := r.recover(ctx)
		if made > 0 {
			r.log.Info("recovered events that had no task", "events", made)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("recovering broken off, trying again", "interval", r.cfg.Interval, "error", err)
		}
	}
}

// recover goes once through everything that waits.
func (r *Recoverer) recover(ctx context.Context) (made int, err error) {
	var last event.Unfinished
	for {
		page, err := r.backlog.UnfinishedEvents(ctx, r.cfg.Age, last, recovererPage)
		if err != nil || len(page) == 0 {
			return made, err
		}
		for _, e := range page {
			ok, err := r.queue.Requeue(ctx, e.Ref, e.Type)
			if err != nil {
				return made, err
			}
			if ok {
				made++
				r.metrics.Recovered.Inc()
			}
		}
		last = page[len(page)-1]
	}
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Weeks are the partitions that events are stored in.
type Weeks interface {
	// CreatePartitions makes those from past days ago to ahead days from now.
	CreatePartitions(ctx context.Context, past, ahead int) (made int, err error)
	// Partitions lists them, oldest first.
	Partitions(ctx context.Context) ([]event.Partition, event.Clocks, error)
	// DropPartition drops one that ends before a time, or says why it is kept.
	// It gives up rather than have the writers wait behind it.
	DropPartition(ctx context.Context, name string, before time.Time) (kept string, err error)
}

// Attic is what lies around outside the weeks.
type Attic interface {
	// Alone does work unless another worker is at it.
	Alone(ctx context.Context, work func(context.Context) error) (did bool, err error)
	// Sweep deletes what nobody needs, at most limit rows of a kind.
	Sweep(ctx context.Context, before time.Time, limit int) (event.Swept, error)
}

// JanitorConfig says what is kept, and how gently the rest goes.
type JanitorConfig struct {
	Retention time.Duration    // how long events are kept, default 90 days
	Interval  time.Duration    // between two rounds, default 6 h
	Retry     time.Duration    // after a round that failed, as for a table that somebody holds; default 1 min
	Now       func() time.Time // default time.Now
}

const (
	// partitionsPast covers events that Stripe redelivers by hand, a month
	// back at most; partitionsAhead a worker fleet that nobody restarts.
	partitionsPast, partitionsAhead = 35, 35 // days

	// maxDrops is how many weeks all workers together drop in six hours. Nothing
	// brings a dropped week back: a mistake that no check has foreseen, such as a
	// retention mistyped, must cost some weeks and a line in the log each, not all.
	maxDrops = 4

	// sweepLater is a week's length: an order of which all weeks are still there
	// has its events of absurd times, too, and can be audited.
	sweepLater = 7 * 24 * time.Hour

	// A sweep holds the locks of so many rows, for moments, and so many times:
	// what is left has time until the next round.
	sweepRows   = 1000
	sweepRounds = 50
)

// Janitor makes the weeks that are coming, and drops those that are past
// retention.
type Janitor struct {
	cfg     JanitorConfig
	weeks   Weeks
	attic   Attic
	metrics *telemetry.Metrics
	log     *slog.Logger
}

// NewJanitor fills in the defaults of cfg.
func NewJanitor(cfg JanitorConfig, w Weeks, a Attic, m *telemetry.Metrics, log *slog.Logger) *Janitor {
	if cfg.Retention == 0 {
		cfg.Retention = 90 * 24 * time.Hour
	}
	if cfg.Interval == 0 {
		cfg.Interval = 6 * time.Hour
	}
	if cfg.Retry == 0 {
		cfg.Retry = time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Janitor{cfg: cfg, weeks: w, attic: a, metrics: m, log: log}
}

// Run goes its rounds until ctx ends.
func (j *Janitor) Run(ctx context.Context) {
	for wait := time.Duration(0); ; {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = j.cfg.Interval
		if err := j.round(ctx); err != nil && ctx.Err() == nil {
			wait = j.cfg.Retry
			j.log.Error("the janitor's round was broken off, trying again", "interval", wait, "error", err)
		}
	}
}

func (j *Janitor) round(ctx context.Context) error {
	made, err := j.weeks.CreatePartitions(ctx, partitionsPast, partitionsAhead)
	if made > 0 {
		j.log.Info("created partitions", "partitions", made)
	}
	if err != nil {
		err = fmt.Errorf("new events go to the default partition: %w", err)
	}
	did, tidyErr := j.attic.Alone(ctx, j.tidy)
	if !did {
		j.metrics.PartitionsHeld.Set(0) // another worker says it
	}
	return errors.Join(err, tidyErr)
}

func (j *Janitor) tidy(ctx context.Context) error {
	all, clocks, err := j.weeks.Partitions(ctx)
	if err != nil {
		return err
	}
	horizon := clocks.Horizon(j.cfg.Now(), j.cfg.Retention)
	return errors.Join(j.drop(ctx, all, horizon, maxDrops-clocks.Dropped), j.sweep(ctx, horizon.Add(-sweepLater)))
}

// drop drops the weeks before the horizon, oldest first, at most so many.
func (j *Janitor) drop(ctx context.Context, all []event.Partition, horizon time.Time, most int) (err error) {
	held, later := 0, 0
	for _, p := range all {
		if !p.Expired(horizon) || err != nil {
			continue
		}
		kept := "it holds unfinished events"
		if p.Unfinished == 0 {
			if most <= 0 {
				later++
				continue
			}
			if kept, err = j.weeks.DropPartition(ctx, p.Name, horizon); err != nil {
				continue
			}
		}
		if kept != "" {
			held++
			j.log.Warn("a partition past retention is kept", "partition", p.Name, "reason", kept, "unfinished", p.Unfinished)
			continue
		}
		most--
		j.metrics.PartitionsDropped.Inc()
		j.log.Info("dropped a partition", "partition", p.Name, "to", p.To, "rows", p.Rows, "bytes", p.Bytes)
	}
	j.metrics.PartitionsHeld.Set(float64(held))
	if later > 0 {
		j.log.Warn("more partitions are past retention than go at once, the rest follow", "partitions", later)
	}
	return err
}

// sweep deletes until there is nothing left, or for now enough.
func (j *Janitor) sweep(ctx context.Context, horizon time.Time) error {
	var total event.Swept
	var err error
	for range sweepRounds {
		var s event.Swept
		s, err = j.attic.Sweep(ctx, horizon, sweepRows)
		total = total.Plus(s)
		j.metrics.Swept.Add(float64(s.Events))
		if err != nil || s.Events < sweepRows && s.Waiting < sweepRows {
			break
		}
	}
	if total != (event.Swept{}) {
		j.log.Info("swept", "events", total.Events, "waiting", total.Waiting, "secretUses", total.SecretUses)
	}
	return err
}

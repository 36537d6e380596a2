package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Scene is what an observer reads of the database.
type Scene interface {
	// Watch does work unless another worker is at it.
	Watch(ctx context.Context, work func(context.Context) error) (did bool, err error)
	State(ctx context.Context) (event.State, error)
	// Quiet lists the restaurants without a delivery for some time, each with
	// its last one, and Rhythm what is usual for one.
	Quiet(ctx context.Context, since time.Duration) (map[string]time.Time, error)
	Rhythm(ctx context.Context, restaurantID string) (event.Rhythm, time.Time, error)
}

// Tasks is what an observer reads of the queue.
type Tasks interface {
	State(ctx context.Context) ([]event.QueueState, error)
	Redis(ctx context.Context) (event.RedisState, error)
}

const (
	observeInterval = 15 * time.Second // what Prometheus asks in
	silenceInterval = 10 * time.Minute // nobody is silent before six hours
	silenceSince    = 6 * time.Hour

	// observeTimeout bounds one reading; it is of no use when it is late.
	observeTimeout = 10 * time.Second
)

// Observer tells the metrics how everything stands, as one worker for all.
type Observer struct {
	scene   Scene
	tasks   Tasks
	metrics *telemetry.Metrics
	log     *slog.Logger

	rhythms map[string]event.Rhythm // of quiet restaurants; of use until the next delivery
	silent  int
	asked   time.Time // when silent was counted
	trouble bool      // and it has been said
}

// NewObserver makes one.
func NewObserver(s Scene, t Tasks, m *telemetry.Metrics, log *slog.Logger) *Observer {
	return &Observer{scene: s, tasks: t, metrics: m, log: log, rhythms: map[string]event.Rhythm{}}
}

// Run observes while no other worker does, until ctx ends.
func (o *Observer) Run(ctx context.Context) {
	for {
		_, err := o.scene.Watch(ctx, o.observe)
		// Whoever observes now says it; of what nobody knows nothing is said.
		o.metrics.SetState(nil)
		o.say(ctx, err)
		if !wait(ctx, observeInterval) {
			return
		}
	}
}

// observe reads again and again, until something fails.
func (o *Observer) observe(ctx context.Context) error {
	for {
		values, err := o.read(ctx)
		if values == nil {
			return err
		}
		o.metrics.SetState(values)
		o.say(ctx, err)
		if !wait(ctx, observeInterval) {
			return nil
		}
	}
}

// say logs a trouble when it begins and when it is over.
func (o *Observer) say(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err != nil && !o.trouble {
		o.log.Warn("how everything stands is not known, trying again", "error", err)
	}
	if err == nil && o.trouble {
		o.log.Info("how everything stands is known again")
	}
	o.trouble = err != nil
}

// read answers what there is to tell, also with an error.
func (o *Observer) read(ctx context.Context) (telemetry.Values, error) {
	bounded, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	s, err := o.scene.State(bounded)
	if err != nil {
		return nil, err
	}
	if time.Since(o.asked) >= silenceInterval {
		if err := o.count(ctx, s.At); err != nil {
			return nil, err
		}
		o.asked = time.Now()
	}
	v := stateValues(s)
	v[telemetry.Series{Name: "restaurants_silent"}] = float64(o.silent)
	// Without Redis the rest is worth telling all the more.
	queues, queueErr := o.tasks.State(bounded)
	redis, redisErr := o.tasks.Redis(bounded)
	if err := errors.Join(queueErr, redisErr); err != nil {
		return v, err
	}
	addQueues(v, queues, redis)
	return v, nil
}

// count counts the silent restaurants. A rhythm is read once per silence.
func (o *Observer) count(ctx context.Context, now time.Time) error {
	quiet, err := o.scene.Quiet(ctx, silenceSince)
	if err != nil {
		return err
	}
	silent, rhythms := 0, make(map[string]event.Rhythm, len(quiet))
	for id, last := range quiet {
		r, known := o.rhythms[id]
		if !known || !r.Last.Equal(last) {
			if r, _, err = o.scene.Rhythm(ctx, id); err != nil {
				return err
			}
		}
		rhythms[id] = r
		if r.Silent(now) {
			silent++
		}
	}
	o.silent, o.rhythms = silent, rhythms
	return nil
}

func stateValues(s event.State) telemetry.Values {
	v := telemetry.Values{}
	for name, value := range map[string]float64{
		"observed_timestamp_seconds": telemetry.Unix(s.At),
		"unfinished_events":          float64(s.Unfinished),
		"backlog_age_seconds":        s.BacklogAge().Seconds(),
		"waiting_events":             float64(s.Waiting),
		"failed_events":              float64(s.Failed),
		"refused_events":             float64(s.Refused),
		"no_config_events":           float64(s.NoConfig),
		"orders_pending":             float64(s.Pending),
		"orders_stuck":               float64(s.Stuck),
		"payments_undecided":         float64(s.Undecided),
		"restaurants_unaskable":      float64(s.Unaskable),
		"secret_age_days":            s.SecretAge().Hours() / 24,
		"partition_missing":          float64(s.MissingWeeks),
		"default_partition_events":   float64(s.InDefaultWeek),
	} {
		v[telemetry.Series{Name: name}] = value
	}
	for _, of := range s.Orders {
		v[telemetry.Series{Name: "orders", State: of.Status}] = float64(of.Orders)
	}
	if s.Success != nil {
		v[telemetry.Series{Name: "last_success_timestamp_seconds"}] = telemetry.Unix(*s.Success)
	}
	return v
}

func addQueues(v telemetry.Values, queues []event.QueueState, redis event.RedisState) {
	for _, q := range queues {
		for state, n := range map[string]int{"pending": q.Pending, "active": q.Active, "scheduled": q.Scheduled,
			"retry": q.Retry, "archived": q.Archived} {
			v[telemetry.Series{Name: "queue_tasks", Queue: q.Name, State: state}] = float64(n)
		}
		paused := 0.0
		if q.Paused {
			paused = 1
		}
		v[telemetry.Series{Name: "queue_paused", Queue: q.Name}] = paused
		v[telemetry.Series{Name: "queue_latency_seconds", Queue: q.Name}] = q.Latency.Seconds()
	}
	evicts := 0.0
	if redis.Policy != "" && redis.Policy != "noeviction" {
		evicts = 1
	}
	v[telemetry.Series{Name: "redis_evicts"}] = evicts
	v[telemetry.Series{Name: "redis_evicted_keys"}] = float64(redis.Evicted)
}

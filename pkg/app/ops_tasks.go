package app

import (
	"cmp"
	"context"
	"fmt"

	"github.com/caarlos0/env/v11"

	"tillhook/pkg/event"
	"tillhook/pkg/queue"
)

// opsTasks is the queue, as far as it can be reached from here: without REDIS_URL
// there is none, and what is to be queued is the recoverer's work.
type opsTasks struct{ *queue.Queue }

// config is the configuration, with Redis if it is set. One that is set wrongly is
// not taken for none: who has set it counts on it.
func (o *ops) config() (Config, error) {
	values := env.ToMap(o.process.Env)
	role := RoleOps
	role.Redis = values["REDIS_URL"] != "" || values["REDIS_URL_FILE"] != ""
	return ReadConfig(o.process.Env, role)
}

func (o *ops) tasks() (opsTasks, error) {
	cfg, err := o.config()
	if err != nil || cfg.RedisURL == "" {
		return opsTasks{}, err
	}
	q, err := openQueue(cfg)
	if err != nil {
		return opsTasks{}, fmt.Errorf("REDIS_URL: %w", err)
	}
	return opsTasks{q}, nil
}

func (t opsTasks) close() {
	if t.Queue != nil {
		_ = t.Close() // what was to be queued is, or was told not to be
	}
}

// requeue makes the tasks of replayed events at once, and says of how many.
func (t opsTasks) requeue(ctx context.Context, all []event.Unfinished) (queued int, err error) {
	if t.Queue == nil {
		return 0, nil
	}
	for _, made := range t.Renew(ctx, all) {
		if made.Err == nil && !made.Full {
			queued++
		}
		err = cmp.Or(err, made.Err)
	}
	return queued, err
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"tillhook/pkg/event"
)

// State says how many tasks there are in each queue.
func (q *Queue) State(ctx context.Context) ([]event.QueueState, error) {
	var all []event.QueueState
	for _, name := range []string{Critical, Default, Low} {
		s := event.QueueState{Name: name}
		info, err := q.inspector.GetQueueInfo(name)
		switch {
		case errors.Is(err, asynq.ErrQueueNotFound) || err != nil && strings.Contains(err.Error(), "NOT_FOUND"):
			// Nobody has ever put a task in.
		case err != nil:
			return nil, fmt.Errorf("reading queue %s: %w", name, err)
		default:
			s.Pending, s.Active, s.Scheduled = info.Pending, info.Active, info.Scheduled
			s.Retry, s.Archived, s.Latency, s.Paused = info.Retry, info.Archived, info.Latency, info.Paused
		}
		all = append(all, s)
		if err := ctx.Err(); err != nil { // asynq takes none
			return nil, err
		}
	}
	return all, nil
}

// Redis says in what the queues live. Of a cluster it is one of the servers; one
// that doesn't tell leaves the fields empty.
func (q *Queue) Redis(ctx context.Context) (event.RedisState, error) {
	s := event.RedisState{SavedFine: true}
	for range 3 { // one slow round trip, as the first with its connecting, says nothing
		started := time.Now()
		if err := q.Ping(ctx); err != nil {
			return event.RedisState{}, err
		}
		if took := time.Since(started); s.Ping == 0 || took < s.Ping {
			s.Ping = took
		}
	}
	text, err := q.redis.Info(ctx).Result()
	if err != nil {
		return s, nil // a managed Redis may refuse
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "maxmemory_policy":
			s.Policy = value
		case "evicted_keys":
			s.Evicted, _ = strconv.Atoi(value) // Redis writes numbers
		case "aof_enabled":
			s.AOF = value == "1"
		case "rdb_last_bgsave_status":
			s.SavedFine = value == "ok"
		}
	}
	return s, nil
}

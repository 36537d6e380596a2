package queue

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"tillhook/pkg/event"
)

// asynq keeps a task in two places: a hash with its content, and a list or
// sorted set that says when it runs. It believes the hash alone: an id whose
// hash is there can't be enqueued. A Redis that evicts, or that lost its last
// seconds in a failover, can have one without the other.
//
//go:embed look.lua
var lookText string

var lookScript = redis.NewScript(lookText)

// What look.lua says of a task; a positive number is the unix time at which it
// runs. A task of the last three kinds is gone afterwards, with all its parts.
const (
	lookLive  = 0  // waits for its turn, or is being worked on
	lookNone  = -1 // there was none
	lookDead  = -2 // it was archived or completed
	lookGhost = -3 // parts of it were lost, so that it would never have run
)

const (
	// leaseGrace is how long a lease may be over before we look after the task
	// ourselves. asynq does after 30 s, once a minute.
	leaseGrace = 3 * time.Minute

	// longestSearch is up to what length the list of pending tasks is searched
	// for those that should be in it. In a longer one any task may be, and Redis
	// must not be kept busy; it will be shorter another time.
	longestSearch = 5000
)

// look answers for each id of one queue what there is of its task, and how many
// tasks are pending. All keys are in one slot of a cluster. With renew nothing
// but a task that is being worked on counts as live.
func (q *Queue) look(ctx context.Context, name string, events []event.Unfinished, renew bool) (pending int, found []int64, err error) {
	prefix := "asynq:{" + name + "}:"
	keys := make([]string, 0, 7+len(events))
	for _, part := range []string{"pending", "active", "lease", "scheduled", "retry", "archived", "completed"} {
		keys = append(keys, prefix+part)
	}
	args := make([]any, 0, 3+len(events))
	args = append(args, time.Now().Add(-leaseGrace).Unix(), longestSearch, renew)
	for _, e := range events {
		keys, args = append(keys, prefix+"t:"+e.ID), append(args, e.ID)
	}
	answer, err := lookScript.Run(ctx, q.redis, keys, args...).Int64Slice()
	if err != nil {
		return 0, nil, fmt.Errorf("looking at %d tasks: %w", len(events), err)
	}
	if len(answer) != 1+len(events) {
		return 0, nil, fmt.Errorf("looking at %d tasks: %d answers", len(events), len(answer))
	}
	return int(answer[0]), answer[1:], nil
}

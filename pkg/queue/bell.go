package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// The bell is a list of one element at most. Whoever puts tasks into a queue
// leaves one there, and whoever waits for tasks takes it: of many idle workers
// one wakes, and a bell that is rung while nobody listens is heard by the next.
// It is a hurry and nothing else: without it workers look every listenFor.
const bell = "tillhook:bell"

const (
	// listenFor is how long an idle worker waits for the bell. What comes to a
	// queue in silence, a task whose backoff ends, waits so long at most.
	listenFor = 100 * time.Millisecond

	// deafFor is the pause where the bell can't be heard, in a Redis that is away
	// or doesn't allow it.
	deafFor = 5 * time.Millisecond
)

// listen returns when there may be a task.
func (s *shared) listen(ctx context.Context, most time.Duration) {
	// Not BLPop, which waits ten seconds longer for a connection that is dead.
	err := s.UniversalClient.Do(ctx, "BLPOP", bell, most.Seconds()).Err()
	if err == nil || errors.Is(err, redis.Nil) {
		return
	}
	pause(ctx, deafFor)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ring wakes one worker that listens, now or next.
func (s *shared) ring(ctx context.Context) {
	pipe := s.UniversalClient.Pipeline()
	addRing(ctx, pipe)
	_, _ = pipe.Exec(ctx) // they look by themselves, a little later
}

// addRing adds to pipe what wakes one worker.
func addRing(ctx context.Context, pipe redis.Pipeliner) {
	pipe.LPush(ctx, bell, "")
	pipe.LTrim(ctx, bell, 0, 0)
}

// fills reports whether a script may put a task into a queue.
func (s script) fills() bool {
	return ofTask(s.keys) && slices.ContainsFunc(s.keys, func(key string) bool { return strings.HasSuffix(key, "}:pending") })
}

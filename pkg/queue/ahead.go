package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeText string

//go:embed giveback.lua
var giveBackText string

var (
	takeScript     = redis.NewScript(takeText)
	giveBackScript = redis.NewScript(giveBackText)
)

// ahead is a client that takes tasks several at a time, and hands them to asynq
// one at a time, as it asks for them: one round trip per task, and one more for
// each queue that is empty, would cost more than all else that asynq does.
//
// A task that was taken is active to everybody, with a lease like any other. Of
// those that asynq doesn't come to ask for, Close gives back what it can, and
// the end of their lease the rest.
type ahead struct {
	*shared
	most int              // tasks of a queue that are taken at once
	now  func() time.Time // the tests' own

	mu     sync.Mutex // held while asking: whoever comes meanwhile wants what that brings
	queues map[string]*stock
}

// stock is what was taken of one queue.
type stock struct {
	prefix string    // of all keys
	tasks  []taken   // the next one first
	at     time.Time // when they were taken
	empty  time.Time // when there were no more
}

type taken struct{ id, content string }

// emptyFor is how long a queue of which we have had the last task is not asked
// again: asynq looks into each for every single task that it wants.
const emptyFor = taskCheckInterval / 4

// Nobody renews the lease of a task that has not begun, and when it has ended
// another worker may begin: a task waits here for half of that time at most.
const (
	lease   = 30 * time.Second // asynq's
	keptFor = lease / 2
)

// takeAhead makes a client over s for a process that works at so many tasks.
func takeAhead(s *shared, concurrency int) *ahead {
	// An eighth: another process may have nothing to do.
	return &ahead{shared: s, most: max(1, concurrency/8), now: time.Now, queues: map[string]*stock{}}
}

// EvalSha answers the script by which asynq takes a task; others run as they are.
func (a *ahead) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	prefix, ok := takesTask(keys, args)
	if !ok {
		return a.shared.EvalSha(ctx, sha, keys, args...)
	}
	cmd := redis.NewCmd(ctx)
	switch content, err := a.next(ctx, prefix, keys, args); {
	case err != nil:
		cmd.SetErr(err)
	case content == "":
		cmd.SetErr(redis.Nil)
	default:
		cmd.SetVal(content)
	}
	return cmd
}

// takesTask tells by its keys the script that takes a task, and of which queue.
func takesTask(keys []string, args []any) (prefix string, ok bool) {
	if len(keys) != 4 || len(args) != 2 {
		return "", false
	}
	prefix, ok = strings.CutSuffix(keys[0], "pending")
	return prefix, ok && keys[1] == prefix+"paused" && keys[2] == prefix+"active" && keys[3] == prefix+"lease"
}

// next is the next task's content, empty if there is none.
func (a *ahead) next(ctx context.Context, prefix string, keys []string, args []any) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queues[prefix]
	if q == nil {
		q = &stock{prefix: prefix}
		a.queues[prefix] = q
	}
	if a.now().Sub(q.at) > keptFor {
		if err := a.giveBack(ctx, q); err != nil {
			return "", err
		}
	}
	if len(q.tasks) == 0 {
		if err := a.take(ctx, q, keys, args); err != nil {
			return "", err
		}
	}
	if len(q.tasks) == 0 {
		return "", nil
	}
	next := q.tasks[0]
	q.tasks = q.tasks[1:]
	return next.content, nil
}

// take fills a queue's stock, unless that was in vain a moment ago.
func (a *ahead) take(ctx context.Context, q *stock, keys []string, args []any) error {
	if a.now().Sub(q.empty) < emptyFor {
		return nil
	}
	q.at = a.now()
	answer, err := takeScript.Run(ctx, a.shared.UniversalClient, keys, args[0], args[1], a.most).StringSlice()
	if err != nil {
		return fmt.Errorf("taking tasks: %w", err)
	}
	for i := 0; i+1 < len(answer); i += 2 {
		q.tasks = append(q.tasks, taken{answer[i], answer[i+1]})
	}
	if len(q.tasks) < a.most {
		q.empty = a.now()
	}
	return nil
}

// Close gives back what nobody has come for.
func (a *ahead) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), ioTimeout)
	defer cancel()
	var err error
	for _, q := range a.queues {
		err = errors.Join(err, a.giveBack(ctx, q))
	}
	return errors.Join(err, a.shared.Close())
}

// giveBack empties a stock into its queue. Tasks whose lease has ended may be
// another worker's by now, and are forgotten.
func (a *ahead) giveBack(ctx context.Context, q *stock) error {
	if a.now().Sub(q.at) >= lease {
		q.tasks = nil
	}
	if len(q.tasks) == 0 {
		return nil
	}
	keys, ids := []string{q.prefix + "active", q.prefix + "lease", q.prefix + "pending"}, make([]any, len(q.tasks))
	for i, t := range q.tasks {
		keys, ids[i] = append(keys, q.prefix+"t:"+t.id), t.id
	}
	if err := giveBackScript.Run(ctx, a.shared.UniversalClient, keys, ids...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("giving back %d tasks: %w", len(ids), err)
	}
	q.tasks = nil
	return nil
}

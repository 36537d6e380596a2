package queue

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
// each queue that is empty, would cost more than all else that asynq does. While
// there is nothing to do it waits for the bell, so that a task is begun at once
// and an idle worker leaves Redis alone.
//
// A task that was taken is active to everybody, with a lease like any other. Of
// those that asynq doesn't come to ask for, Close gives back what it can, and
// the end of their lease the rest.
type ahead struct {
	*shared
	most      int              // tasks of a queue that are taken at once
	listenFor time.Duration    // a test waits longer
	now       func() time.Time // a test has its own
	log       *slog.Logger     // default: nobody is told

	mu     sync.Mutex // held while asking: whoever comes meanwhile wants what that brings
	stocks []*stock
	looked time.Time // when Redis was last asked
	idle   bool      // it had nothing then, in any queue
	told   int       // how often in a row asynq has heard that a queue is empty
}

// stock is what was taken of one queue.
type stock struct {
	prefix string    // of all keys
	taker  string    // who takes, in all processes
	number int       // of the taking, another for each that was answered
	tasks  []taken   // the next one first
	at     time.Time // when they were taken
}

type taken struct{ id, content string }

// restOf is how long Redis is not asked again: asynq looks into each queue for
// every single task that it wants, and what comes meanwhile is taken together.
const restOf = 4 * time.Millisecond

// Nobody renews the lease of a task that has not begun, and when it has ended
// another worker may begin: a task waits here for half of that time at most.
const (
	lease   = 30 * time.Second // asynq's
	keptFor = lease / 2
)

// takeAhead makes a client over s for a process that works at so many tasks.
func takeAhead(s *shared, concurrency int) *ahead {
	// A quarter: another process may have nothing to do.
	a := &ahead{shared: s, most: max(1, concurrency/4), listenFor: listenFor, now: time.Now, log: slog.New(slog.DiscardHandler)}
	taker := rand.Text()
	for name := range weights {
		a.stocks = append(a.stocks, &stock{prefix: "asynq:{" + name + "}:", taker: taker})
	}
	return a
}

// EvalSha answers the script by which asynq takes a task; others run as they are.
func (a *ahead) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	q := a.asked(keys, args)
	if q == nil {
		return a.shared.EvalSha(ctx, sha, keys, args...)
	}
	cmd := redis.NewCmd(ctx)
	switch content, err := a.next(ctx, q, args[0]); {
	case err != nil:
		cmd.SetErr(err)
	case content == "":
		cmd.SetErr(redis.Nil)
	default:
		cmd.SetVal(content)
	}
	return cmd
}

// asked tells by its keys the script that takes a task, and of which queue; nil
// for other scripts.
func (a *ahead) asked(keys []string, args []any) *stock {
	if len(args) != 2 {
		return nil
	}
	for _, q := range a.stocks {
		if slices.Equal(keys, q.keys()) {
			return q
		}
	}
	return nil
}

// keys are those of the script that takes tasks.
func (q *stock) keys() []string {
	return []string{q.prefix + "pending", q.prefix + "paused", q.prefix + "active", q.prefix + "lease"}
}

// take is the script that takes so many. It is sent again where the connection
// breaks, and what it had taken the first time would be active and in nobody's
// hands until its lease ends: so it says which taking it is.
func (q *stock) take(leaseEnd any, most int) script {
	return script{
		keys: append(q.keys(), q.prefix+"tillhook:taken:"+q.taker),
		args: []any{leaseEnd, q.prefix + "t:", most, q.number, int(keptFor.Seconds())},
	}
}

// next is the next task's content, empty if there is none.
func (a *ahead) next(ctx context.Context, q *stock, leaseEnd any) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Sub(q.at) > keptFor {
		if err := a.giveBack(ctx, q); err != nil {
			return "", err
		}
	}
	if len(q.tasks) == 0 {
		if err := a.look(ctx, leaseEnd); err != nil {
			return "", err
		}
	}
	if len(q.tasks) == 0 {
		a.told++
		return "", nil
	}
	next := q.tasks[0]
	q.tasks, a.told = q.tasks[1:], 0
	return next.content, nil
}

// look fills the stocks that are empty, in one round trip. When asynq has heard
// of every queue that it is empty, it may wait here: for the bell, if there was
// nothing the last time either.
func (a *ahead) look(ctx context.Context, leaseEnd any) error {
	rest := restOf - a.now().Sub(a.looked)
	switch allEmpty := a.told >= len(a.stocks); {
	case allEmpty && a.idle:
		a.shared.listen(ctx, a.listenFor)
	case allEmpty:
		pause(ctx, rest)
	case rest > 0:
		return nil
	}
	a.looked, a.told = a.now(), 0
	asked := make(map[*stock]*redis.Cmd, len(a.stocks))
	pipe := a.shared.UniversalClient.Pipeline()
	for _, q := range a.stocks {
		if len(q.tasks) == 0 {
			take := q.take(leaseEnd, a.most)
			asked[q] = takeScript.EvalSha(ctx, pipe, take.keys, take.args...)
		}
	}
	_, _ = pipe.Exec(ctx) // the first command's error, which that command has
	full, err := false, error(nil)
	for q, cmd := range asked {
		answer, takeErr := a.shared.known(ctx, takeScript, q.take(leaseEnd, a.most), cmd).StringSlice()
		if takeErr != nil {
			err = errors.Join(err, fmt.Errorf("taking tasks: %w", takeErr))
		} else {
			q.number++
		}
		for i := 0; i+1 < len(answer); i += 2 {
			if t := (taken{answer[i], answer[i+1]}); t.sound(q) {
				q.tasks = append(q.tasks, t)
			} else {
				a.drop(ctx, q, t)
			}
		}
		q.at = a.looked
		full = full || len(q.tasks) == a.most
	}
	a.idle = err == nil && !slices.ContainsFunc(a.stocks, func(q *stock) bool { return len(q.tasks) > 0 })
	if full { // there may be more than one worker's share
		a.shared.ring(ctx)
	}
	return err
}

// Close gives back what nobody has come for.
func (a *ahead) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), ioTimeout)
	defer cancel()
	var err error
	for _, q := range a.stocks {
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
	a.shared.ring(ctx)
	return nil
}

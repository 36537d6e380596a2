package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/devstack"
)

// gate holds the first round trip until it is opened, and notes how many
// commands each one had.
type gate struct {
	reached, open chan struct{}
	first         atomic.Bool

	mu    sync.Mutex
	trips []int
}

func (g *gate) pass(commands int) {
	if g.first.CompareAndSwap(false, true) {
		close(g.reached)
		<-g.open
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trips = append(g.trips, commands)
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			g.pass(1)
		}
		return next(ctx, cmd)
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" { // not what greets a new connection
			g.pass(len(cmds))
		}
		return next(ctx, cmds)
	}
}

// What comes while a round trip is under way travels in the next one, all of
// it, and each caller has the answer to its own script, or its own error. A
// script about no task doesn't wait for the others.
func TestCallersShareRoundTrips(t *testing.T) {
	t.Parallel()
	conn, err := connection(devstack.RealRedis(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	s := share(dial(conn))
	defer s.Close()
	ctx := t.Context()
	echo := redis.NewScript(`if ARGV[1] == "7" then return redis.error_reply("REFUSED") end return ARGV[1]`)
	if err := echo.Load(ctx, s).Err(); err != nil {
		t.Fatal(err)
	}
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	s.AddHook(g)

	const callers = 40
	var calls sync.WaitGroup
	got, want := make([]string, callers), make([]string, callers)
	call := func(i int) {
		answer, err := echo.Run(ctx, s, []string{fmt.Sprintf("asynq:{q}:t:%d", i)}, i).Text()
		got[i] = fmt.Sprintf("%s, %v", answer, err)
	}
	calls.Go(func() { call(0) })
	<-g.reached
	for i := 1; i < callers; i++ {
		calls.Go(func() { call(i) })
	}
	for s.scripts.Waiting() < callers-1 {
		select {
		case <-ctx.Done():
			t.Fatal("the others don't wait")
		default:
		}
	}
	if answer, err := echo.Run(ctx, s, []string{"asynq:{q}:pending"}, "at once").Text(); answer != "at once" {
		t.Error(answer, err)
	}
	close(g.open)
	calls.Wait()

	for i := range want {
		want[i] = fmt.Sprintf("%d, <nil>", i)
	}
	want[7] = ", ERR REFUSED"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if diff := cmp.Diff([]int{1, 1, callers - 1}, g.trips); diff != "" {
		t.Error("commands of each round trip (-want +got)\n", diff)
	}
}

// Where a script is not known yet, each of many callers at once has its answer.
func TestCallersShareAnUnknownScript(t *testing.T) {
	t.Parallel()
	conn, err := connection(devstack.RealRedis(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	s := share(dial(conn))
	fresh := redis.NewScript(`return redis.call("INCRBY", KEYS[1], ARGV[1])`)
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			if err := fresh.Run(t.Context(), s, []string{"asynq:{q}:t:sum"}, i).Err(); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if got, err := s.Get(t.Context(), "asynq:{q}:t:sum").Int(); got != 99*100/2 {
		t.Error(got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fresh.Run(t.Context(), s, []string{"asynq:{q}:t:sum"}, 1).Err(); err == nil {
		t.Error("a closed client has run a script")
	}
}

package queue

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/devstack"
)

// keeper keeps the scripts by which asynq ends tasks, instead of running them.
type keeper struct {
	redis.UniversalClient
	mu   sync.Mutex
	kept []script
}

func (k *keeper) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s := script{sha, keys, args}
	if !s.ends() {
		return k.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, s)
	cmd := redis.NewCmd(ctx)
	cmd.SetVal("OK")
	return cmd
}

// plainly has asynq's own server, with nothing of ours between, do so many tasks.
func plainly(t *testing.T, c redis.UniversalClient, tasks int) {
	t.Helper()
	server := asynq.NewServerFromRedisClient(c, asynq.Config{
		Concurrency: 1, Queues: weights, TaskCheckInterval: time.Millisecond, Logger: asynqLog{slog.New(slog.DiscardHandler)}, LogLevel: asynq.FatalLevel,
	})
	var doing sync.WaitGroup
	doing.Add(tasks)
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { doing.Done(); return nil })); err != nil {
		t.Fatal(err)
	}
	doing.Wait()
	server.Shutdown() // after it has ended those that are done
}

// remains is all that Redis has of the queues.
func (b *bench) remains() map[string]string {
	b.t.Helper()
	ctx, all := b.t.Context(), map[string]string{}
	for _, key := range b.redis.Keys(ctx, "asynq:{*").Val() {
		value, err := b.redis.Get(ctx, key).Result()
		if err != nil {
			value = b.redis.Type(ctx, key).Val()
		}
		if at := strings.Index(key, ":processed:"); at > 0 {
			key = key[:at] + ":processed:day"
			value += fmt.Sprint(" for ", b.redis.TTL(ctx, b.redis.Keys(ctx, key[:at]+":processed:*").Val()[0]).Val().Round(time.Hour))
		}
		all[key] = value
	}
	return all
}

// Tasks that end together leave what they leave one by one, by asynq's own script.
func TestTasksEndTogetherAsAlone(t *testing.T) {
	t.Parallel()
	alone, together := benchOn(t, devstack.RealRedis(t).URL), benchOn(t, devstack.RealRedis(t).URL)
	k := &keeper{UniversalClient: dial(together.conn)}
	defer k.Close()
	c := dial(alone.conn)
	defer c.Close()
	types := []string{completed, "refund.created", completed, "customer.created", completed}
	for _, b := range []*bench{alone, together} {
		for i, eventType := range types {
			if err := b.Enqueue(t.Context(), ref(fmt.Sprint(i)), eventType); err != nil {
				t.Fatal(err)
			}
		}
	}
	plainly(t, c, len(types))
	plainly(t, k, len(types))
	if len(k.kept) != len(types) {
		t.Fatalf("asynq has ended %d of %d tasks by scripts that are known: %v", len(k.kept), len(types), k.kept)
	}
	// Redis doesn't know the script the first time.
	for _, some := range [][]script{k.kept[:2], k.kept[2:]} {
		cmds, err := together.Queue.redis.run(t.Context(), some)
		if err != nil {
			t.Fatal(err)
		}
		for i, cmd := range cmds {
			if cmd.Val() != "OK" || cmd.Err() != nil {
				t.Errorf("%v: %v, %v", some[i].keys, cmd.Val(), cmd.Err())
			}
		}
	}
	if diff := cmp.Diff(alone.remains(), together.remains()); diff != "" {
		t.Error("(-one by one +together)\n", diff)
	}
}

// A task that is not this worker's any more is not ended, nor counted; the others
// are. What goes wrong for all of them is each one's error.
func TestTasksThatEndWithoutBeingThere(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	prefix := "asynq:{critical}:"
	ending := func(id string) script {
		return script{keys: []string{prefix + "active", prefix + "lease", prefix + "t:" + id, prefix + "processed:2026-01-09", prefix + "processed"},
			args: []any{id, time.Now().Add(time.Hour).Unix(), int64(math.MaxInt64)}}
	}
	for _, id := range []string{"whole", "unlisted", "unleased", "bare", "last"} {
		if id != "unlisted" {
			b.redis.LPush(ctx, prefix+"active", id)
		}
		if id != "unleased" {
			b.redis.ZAdd(ctx, prefix+"lease", redis.Z{Score: 1, Member: id})
		}
		if id != "bare" {
			b.redis.HSet(ctx, prefix+"t:"+id, "msg", "m")
		}
	}
	b.redis.Set(ctx, prefix+"processed", math.MaxInt64-1, 0) // asynq begins anew, too
	end := func(ids ...string) (errs []string) {
		var scripts []script
		for _, id := range ids {
			scripts = append(scripts, ending(id))
		}
		cmds, err := b.Queue.redis.run(ctx, scripts)
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range cmds {
			errs = append(errs, fmt.Sprint(cmd.Err()))
		}
		return errs
	}
	const gone = "NOT FOUND"
	if diff := cmp.Diff([]string{"<nil>", gone, gone, gone, gone, "<nil>"}, end("whole", "unlisted", "unleased", "bare", "nowhere", "last")); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	want := map[string]string{prefix + "lease": "zset", prefix + "t:unlisted": "hash", prefix + "t:unleased": "hash",
		prefix + "processed:day": "2 for 1h0m0s", prefix + "processed": "2"}
	if diff := cmp.Diff(want, b.remains()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if got := b.redis.ZRange(ctx, prefix+"lease", 0, -1).Val(); !cmp.Equal(got, []string{"unlisted"}) {
		t.Error("leased:", got)
	}

	b.redis.Set(ctx, prefix+"active", "not a list", 0)
	for _, err := range end("whole", "last") {
		if !strings.Contains(err, "WRONGTYPE") {
			t.Error(err)
		}
	}
}

package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/event"
)

// key is a part of what asynq keeps of the critical queue.
func key(part string) string { return "asynq:{critical}:" + part }

// Whatever part of a task Redis has lost, its event is worked off.
func TestGhostsAreMended(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	waiting := errors.New("no payment")
	for name, haunt := range map[string]func(b *bench) error{
		"hash without list": func(b *bench) error { return b.redis.Del(ctx, key("pending")).Err() },
		"list without hash": func(b *bench) error { return b.redis.Del(ctx, key("t:1")).Err() },
		"taken from the list without a hash": func(b *bench) error {
			b.redis.Del(ctx, key("t:1"))
			b.enqueue("2")
			b.work(1, func(string) error { return nil }) // 1 was before it
			return b.redis.HGet(ctx, key("t:1"), "state").Err()
		},
		"active without a lease": func(b *bench) error {
			b.take("1")
			return b.redis.ZRem(ctx, key("lease"), "1").Err()
		},
		"leased, but not active, for long": func(b *bench) error {
			b.take("1")
			b.redis.ZAdd(ctx, key("lease"), redis.Z{Member: "1", Score: float64(time.Now().Add(-time.Hour).Unix())})
			return b.redis.LRem(ctx, key("active"), 0, "1").Err()
		},
		"retry without a time": func(b *bench) error {
			b.work(1, func(string) error { return waiting })
			return b.redis.ZRem(ctx, key("retry"), "1").Err()
		},
		"retry without a hash": func(b *bench) error {
			b.work(1, func(string) error { return waiting })
			return b.redis.Del(ctx, key("t:1")).Err()
		},
		"archived without a place": func(b *bench) error {
			b.work(1, func(string) error { return event.Permanent(waiting) })
			return b.redis.Del(ctx, key("archived")).Err()
		},
		"in a state that nobody knows": func(b *bench) error { return b.redis.HSet(ctx, key("t:1"), "state", "limbo").Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.enqueue("1")
			if err := haunt(b); err != nil {
				t.Fatal(err)
			}
			known := b.redis.Exists(ctx, key("t:1")).Val() == 1
			got := b.Requeue(ctx, unfinished("1"))
			if diff := cmp.Diff([]event.Task{{Made: true, Mended: known}}, got); diff != "" {
				t.Fatal("(-want +got)\n", diff)
			}
			if again := b.Requeue(ctx, unfinished("1"))[0]; again != (event.Task{}) {
				t.Errorf("mended twice: %+v", again)
			}
			if a := b.work(1, func(string) error { return nil })["1"]; a.Number != 1 {
				t.Errorf("worked off by %+v", a)
			}
			for _, part := range []string{"t:1", "pending", "active", "lease", "retry", "archived"} {
				if n := b.redis.Exists(ctx, key(part)).Val(); n != 0 {
					t.Errorf("%s is left", part)
				}
			}
		})
	}
}

// take makes a pending task active, as a worker does that dies thereupon.
func (b *bench) take(id string) {
	b.t.Helper()
	_, err := b.redis.TxPipelined(b.t.Context(), func(p redis.Pipeliner) error {
		p.LMove(b.t.Context(), key("pending"), key("active"), "right", "left")
		p.HSet(b.t.Context(), key("t:"+id), "state", "active")
		p.ZAdd(b.t.Context(), key("lease"), redis.Z{Member: id, Score: float64(time.Now().Add(time.Minute).Unix())})
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A worker that died a moment ago is asynq's own business: it looks after
// leases that are over, and counts no attempt.
func TestARecentLeaseIsLeftToAsynq(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.delay = retryDelay
	b.enqueue("1")
	b.take("1")
	b.redis.ZAdd(t.Context(), key("lease"), redis.Z{Member: "1", Score: float64(time.Now().Add(-time.Minute).Unix())})
	if got := b.Requeue(t.Context(), unfinished("1"))[0]; got != (event.Task{}) {
		t.Errorf("%+v", got)
	}
	if a := b.work(1, func(string) error { return nil })["1"]; a.Number != 1 {
		t.Errorf("worked off by %+v", a)
	}
}

// RunNow, too, meets what Redis has lost a part of.
func TestRunNowMendsAGhost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enqueue("1")
	b.work(1, func(string) error { return errors.New("no payment") })
	b.redis.Del(t.Context(), key("retry"))
	if now, err := b.RunNow(t.Context(), ref("1"), completed); !now || err != nil || b.task("1") != (task{State: "pending"}) {
		t.Errorf("%t, %v, %+v", now, err, b.task("1"))
	}
}

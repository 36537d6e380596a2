package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

func record(id, eventType string) event.Record {
	r := ref(id)
	return event.Record{ID: r.ID, OccurredAt: r.OccurredAt, Type: eventType}
}

// Tasks that are made together are to the letter what asynq makes one by one, in
// the same places and in the same order.
func TestTasksMadeTogetherAreAsynqs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	events := []event.Record{
		record("1", completed), record("2", "refund.created"), record("3", completed), record("4", "customer.created"), record("5", "payment_intent.succeeded"),
	}
	all := func(b *bench) (kept map[string]any) {
		kept = map[string]any{"queues": b.redis.SMembersMap(ctx, "asynq:queues").Val(), "bell": b.redis.LRange(ctx, bell, 0, -1).Val()}
		for name := range weights {
			prefix := "asynq:{" + name + "}:"
			kept[prefix+"pending"] = b.redis.LRange(ctx, prefix+"pending", 0, -1).Val()
			for _, key := range b.redis.Keys(ctx, prefix+"t:*").Val() {
				hash := b.redis.HGetAll(ctx, key).Val()
				var since int64
				if _, err := fmt.Sscan(hash["pending_since"], &since); err != nil || time.Since(time.Unix(0, since)).Abs() > time.Minute {
					t.Errorf("%s waits since %s", key, hash["pending_since"])
				}
				delete(hash, "pending_since")
				kept[key] = hash
			}
		}
		return kept
	}
	alone, together := benchOn(t, devstack.RealRedis(t).URL), benchOn(t, devstack.RealRedis(t).URL)
	for _, e := range events {
		if err := alone.Enqueue(ctx, e.Ref(), e.Type); err != nil {
			t.Fatal(err)
		}
	}
	// The first time Redis doesn't know the script; those that are there already
	// are passed over.
	for _, some := range [][]event.Record{events[:2], events[:4], events} {
		together.redis.Del(ctx, bell) // each time it rings again
		if err := together.EnqueueAll(ctx, some); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(all(alone), all(together)); diff != "" {
		t.Error("(-one by one +together)\n", diff)
	}
}

// What is made together is worked off, however much it is, on a Cluster too.
func TestManyTasksTogether(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"server": devstack.RealRedis(t).URL, "cluster": devstack.RedisCluster(t).URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := benchOn(t, url)
			types := []string{completed, "refund.created", "customer.created"}
			var events []event.Record
			var ids []string
			for i := range 2*mostTogether + 1 {
				ids = append(ids, fmt.Sprint(i))
				events = append(events, record(ids[i], types[i%len(types)]))
			}
			if err := b.EnqueueAll(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			attempts := b.work(len(events), func(string) error { return nil })
			for _, id := range ids {
				if a := attempts[id]; a.Number != 1 || !a.OccurredAt.Equal(ref(id).OccurredAt) {
					t.Errorf("task %s: %+v", id, a)
				}
			}
		})
	}
}

// A Redis that is away is an error, whatever was asked for.
func TestTasksThatAreNotMade(t *testing.T) {
	t.Parallel()
	server := devstack.RealRedis(t)
	b := benchOn(t, server.URL)
	if err := b.EnqueueAll(t.Context(), []event.Record{record("1", completed)}); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.EnqueueAll(t.Context(), []event.Record{record("2", completed)}); err == nil {
		t.Error("no error")
	}
}

package queue

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// Each queue tells what is in it, also one that nobody has used yet.
func TestQueuesTellWhatIsInThem(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	q, err := Open(devstack.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	want := []event.QueueState{{Name: "critical"}, {Name: "default"}, {Name: "low"}}
	expect := func(when string) {
		t.Helper()
		got, err := q.State(ctx)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(event.QueueState{}, "Latency")); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", when, err, diff)
		}
	}
	expect("at first")
	for _, id := range []string{"a", "b"} {
		if err := q.Enqueue(ctx, event.Ref{ID: id}, "payment_intent.succeeded"); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.inspector.ArchiveTask("critical", "b"); err != nil {
		t.Fatal(err)
	}
	want[0].Pending, want[0].Archived = 1, 1
	expect("one waits, one is archived")
	r, err := q.Redis(ctx)
	if err != nil || r.Ping <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A Redis that may drop parts of tasks says so.
func TestRedisTellsOfItself(t *testing.T) {
	t.Parallel()
	server := devstack.RealRedis(t)
	q, err := Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx := context.Background()
	if err := q.redis.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	got, err := q.Redis(ctx)
	got.Ping = 0
	if diff := cmp.Diff(event.RedisState{Policy: "allkeys-lru", AOF: got.AOF, SavedFine: true}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

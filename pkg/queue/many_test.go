package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// eventually waits for what servers settle among themselves.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// handled counts attempts by id.
type handled struct {
	mu sync.Mutex
	n  map[string]int
}

func (h *handled) add(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[string]int{}
	}
	h.n[id]++
}

func (h *handled) has(ids ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if h.n[id] == 0 {
			return false
		}
	}
	return true
}

// In a Cluster the queues are on different nodes, and all keys of one queue in
// one slot. Everything works as it does on one server.
func TestTheQueueOnACluster(t *testing.T) {
	t.Parallel()
	servers := devstack.RedisCluster(t)
	b := benchOn(t, servers.URL)
	types := []string{completed, "refund.created", "customer.created"}
	var all []event.Unfinished
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprint(i))
		all = append(all, event.Unfinished{Ref: ref(ids[i]), Type: types[i%len(types)]})
	}
	for _, e := range all {
		if err := b.Enqueue(t.Context(), e.Ref, e.Type); err != nil {
			t.Fatal(err)
		}
	}
	made := func(tasks []event.Task) (n int) {
		for i, task := range tasks {
			if task.Err != nil {
				t.Fatalf("%d: %v", i, task.Err)
			}
			if task.Made {
				n++
			}
		}
		return n
	}
	got := []int{made(b.Requeue(t.Context(), all))}
	servers.Empty(t)
	got = append(got, made(b.Requeue(t.Context(), all)), made(b.Requeue(t.Context(), all)), made(b.Renew(t.Context(), all[:90])))
	b.redis.Del(t.Context(), key("pending")) // ghosts, of one node
	got = append(got, made(b.Requeue(t.Context(), all)))
	if diff := cmp.Diff([]int{0, 300, 0, 90, 100}, got); diff != "" {
		t.Error("made (-want +got)\n", diff)
	}
	var tries, done handled
	waiting := errors.New("no payment yet")
	shutdown := b.fleet(FleetConfig{}, func(_ context.Context, a event.Attempt) error {
		if tries.add(a.ID); a.Number == 1 && (a.ID == "0" || a.ID == "1" || a.ID == "2") {
			return waiting
		}
		done.add(a.ID)
		return nil
	})
	eventually(t, "all were tried", func() bool { return tries.has(ids...) })
	for _, e := range all[:3] {
		eventually(t, "it runs now", func() bool {
			now, err := b.RunNow(t.Context(), e.Ref, e.Type)
			return now && err == nil
		})
	}
	eventually(t, "all are done", func() bool { return done.has(ids...) })
	eventually(t, "nothing is left", func() bool { return b.task("0") == task{} })
	shutdown()
}

// The master is killed under a fleet at work and a producer: both go on with
// the new one, nobody is started again.
func TestAFailoverIsSurvived(t *testing.T) {
	t.Parallel()
	servers := devstack.RedisSentinels(t)
	b := benchOn(t, servers.URL)
	var done handled
	shutdown := b.fleet(FleetConfig{}, func(_ context.Context, a event.Attempt) error {
		done.add(a.ID)
		return nil
	})
	defer shutdown()
	b.enqueue("before")
	eventually(t, "the first is done", func() bool { return done.has("before") })
	servers.Crash(t)
	crashed := time.Now()
	_ = b.Enqueue(t.Context(), ref("too early"), completed) // ingest leaves its error to the recoverer
	eventually(t, "there is a new master", func() bool { return b.Enqueue(t.Context(), ref("after"), completed) == nil })
	eventually(t, "the fleet has found it", func() bool { return done.has("after") })
	t.Logf("at work again %s after the crash", time.Since(crashed).Round(time.Millisecond))
	if got := b.Requeue(t.Context(), unfinished("too early"))[0]; got.Err != nil {
		t.Error(got.Err)
	}
	eventually(t, "what was too early is done", func() bool { return done.has("too early") })
}

package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// A worker that ends gives back the tasks that it has taken and not begun, and
// the next worker begins with them, in the order in which they came.
func TestTasksTakenAheadAreGivenBack(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	const slots = 9 // a quarter is 2: of five round trips' 10 tasks one is not begun
	var ids []string
	for i := range slots + 3 {
		ids = append(ids, fmt.Sprintf("%02d", i))
	}
	b.enqueue(ids...)

	begun, finish := make(chan string, len(ids)), make(chan struct{})
	shutdown := b.fleet(FleetConfig{Concurrency: slots}, func(_ context.Context, a event.Attempt) error {
		begun <- a.ID
		<-finish
		return nil
	})
	for range slots {
		<-begun
	}
	pending, active := "asynq:{critical}:pending", "asynq:{critical}:active"
	ctx := t.Context()
	if got := []int64{b.redis.LLen(ctx, pending).Val(), b.redis.LLen(ctx, active).Val()}; !cmp.Equal(got, []int64{2, slots + 1}) {
		t.Error("pending and active while all slots are taken:", got)
	}
	close(finish)
	shutdown()

	// Meanwhile slots became free, so that it may have begun with more.
	left := ids[slots+len(begun):]
	var waiting []string
	for _, id := range b.redis.LRange(ctx, pending, 0, -1).Val() {
		waiting = append([]string{id}, waiting...) // the oldest is the last
		if state := b.redis.HGet(ctx, "asynq:{critical}:t:"+id, "state").Val(); state != "pending" {
			t.Errorf("task %s is %s", id, state)
		}
	}
	if !slices.Equal(left, waiting) {
		t.Errorf("left %v, waiting %v", left, waiting)
	}
	if got := []int64{b.redis.LLen(ctx, active).Val(), b.redis.ZCard(ctx, "asynq:{critical}:lease").Val()}; !cmp.Equal(got, []int64{0, 0}) {
		t.Error("active and leased after the end:", got)
	}
}

// What is taken and never asked for is back in its place, as if nobody had
// taken it; a queue that is paused gives nothing; one that was empty a moment
// ago is not asked again.
func TestTakingAhead(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	b.enqueue("1", "2", "3", "4", "5")
	ctx := t.Context()
	prefix := "asynq:{critical}:"
	keys := []string{prefix + "pending", prefix + "paused", prefix + "active", prefix + "lease"}
	a := takeAhead(share(dial(b.conn)), 12)
	now := a.now()
	a.now = func() time.Time { return now }
	take := func() string {
		t.Helper()
		answer, err := redis.NewScript(`return redis.error_reply("asynq's own")`).Run(ctx, a, keys, now.Unix()+30, prefix+"t:").Text()
		if err != nil && err != redis.Nil {
			t.Fatal(err)
		}
		return answer
	}
	content := func(id string) string { return b.redis.HGet(ctx, prefix+"t:"+id, "msg").Val() }
	lists := func() [][]string {
		return [][]string{b.redis.LRange(ctx, prefix+"pending", 0, -1).Val(), b.redis.LRange(ctx, prefix+"active", 0, -1).Val(),
			b.redis.ZRange(ctx, prefix+"lease", 0, -1).Val()}
	}

	if got := take(); got == "" || got != content("1") {
		t.Errorf("the first task is %q", got)
	}
	if diff := cmp.Diff([][]string{{"5", "4"}, {"3", "2", "1"}, {"1", "2", "3"}}, lists()); diff != "" {
		t.Error("three taken, pending, active and leased (-want +got)\n", diff)
	}
	if err := b.redis.Set(ctx, prefix+"paused", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := []string{take(), take(), take()}; !cmp.Equal(got, []string{content("2"), content("3"), ""}) {
		t.Errorf("of a paused queue: %q", got)
	}
	b.redis.Del(ctx, prefix+"paused")
	if got := take(); got != "" {
		t.Errorf("asked again at once, and got %q", got)
	}
	now = now.Add(restOf)
	if got := take(); got == "" || got != content("4") {
		t.Errorf("asked again later, and got %q", got)
	}
	b.enqueue("6")
	if diff := cmp.Diff([][]string{{"6"}, {"5", "4", "3", "2", "1"}, {"1", "2", "3", "4", "5"}}, lists()); diff != "" {
		t.Error("5 taken, pending, active and leased (-want +got)\n", diff)
	}
	now = now.Add(keptFor + 1)
	b.redis.Set(ctx, prefix+"paused", 1, 0)
	if got := take(); got != "" {
		t.Errorf("what was kept for too long was handed out: %q", got)
	}
	if diff := cmp.Diff([][]string{{"6", "5"}, {"4", "3", "2", "1"}, {"1", "2", "3", "4"}}, lists()); diff != "" {
		t.Error("given back after a while, pending, active and leased (-want +got)\n", diff)
	}
	b.redis.Del(ctx, prefix+"paused")
	now = now.Add(restOf)
	if got := take(); got == "" || got != content("5") {
		t.Errorf("asked once more, and got %q", got)
	}
	now = now.Add(restOf)
	if got := take(); got == "" || got != content("6") {
		t.Errorf("the last is %q", got)
	}
	b.enqueue("7", "8")
	now = now.Add(restOf)
	if got := take(); got == "" || got != content("7") {
		t.Errorf("of those that came later %q", got)
	}
	now = now.Add(lease) // 8 is another worker's by now
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if got := b.redis.LRange(ctx, prefix+"pending", 0, -1).Val(); len(got) > 0 {
		t.Errorf("taken from another worker: %v", got)
	}
}

// The connection breaks when tasks have been taken and before the worker hears
// which: it gets those and no others, and begins with every one.
func TestAnAnswerIsLostOnItsWay(t *testing.T) {
	t.Parallel()
	r := devstack.RealRedis(t)
	b := benchOn(t, r.URL)
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("%02d-%s", i, strings.Repeat("x", 100)))
	}
	b.enqueue(ids...)
	proxy := losing(t, r.URL, ids[0])
	conn, err := connection(proxy.url)
	if err != nil {
		t.Fatal(err)
	}
	a := takeAhead(share(dial(conn)), 40)
	defer a.Close()
	keys := (&stock{prefix: "asynq:{critical}:"}).keys()
	var got []string
	for range a.most {
		content, err := a.next(t.Context(), a.asked(keys, []any{1, 2}), time.Now().Add(lease).Unix())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if strings.Contains(content, id) {
				got = append(got, id)
			}
		}
	}
	if !proxy.lost.Load() {
		t.Error("no answer was lost")
	}
	if diff := cmp.Diff(ids[:a.most], got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if n := b.redis.LLen(t.Context(), "asynq:{critical}:active").Val(); n != int64(a.most) {
		t.Errorf("%d are active, want %d", n, a.most)
	}
}

// losing is a way to a Redis on which the first answer that has a text in it is
// lost, with the connection.
func losing(t *testing.T, redisURL, text string) *loser {
	t.Helper()
	to, err := url.Parse(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &loser{text: []byte(text)}
	way := *to
	way.Host = l.Addr().String()
	p.url = way.String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to.Host)
			if err != nil {
				client.Close()
				return
			}
			running.Go(func() { defer server.Close(); _, _ = io.Copy(server, client) })
			running.Go(func() { defer client.Close(); p.answer(client, server) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return p
}

type loser struct {
	url  string
	text []byte
	lost atomic.Bool
}

func (p *loser) answer(client, server net.Conn) {
	part := make([]byte, 64<<10)
	for {
		n, err := server.Read(part)
		if err != nil || bytes.Contains(part[:n], p.text) && p.lost.CompareAndSwap(false, true) {
			return
		}
		if _, err := client.Write(part[:n]); err != nil {
			return
		}
	}
}

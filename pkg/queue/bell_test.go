package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// listener is a client that waits for the bell, and for nothing else, as long as
// the test runs.
func (b *bench) listener(concurrency int) *ahead {
	b.t.Helper()
	conn := b.conn.(asynq.RedisClientOpt)
	conn.ReadTimeout = time.Hour
	a := takeAhead(share(dial(conn)), concurrency)
	a.listenFor = 30 * time.Minute
	b.t.Cleanup(func() {
		_ = a.UniversalClient.Close() // wakes it
		_ = a.Close()
	})
	return a
}

// want is what asynq asks for one task at a time: it looks into each queue.
func (a *ahead) want(ctx context.Context) (content string, err error) {
	for content == "" && err == nil {
		for _, q := range a.stocks {
			if content, err = a.next(ctx, q, time.Now().Unix()+30); content != "" || err != nil {
				break
			}
		}
	}
	return content, err
}

// listening waits until so many clients wait for the bell.
func (b *bench) listening(n int) {
	b.t.Helper()
	for blocked := -1; blocked != n; {
		info, err := b.redis.Info(b.t.Context(), "clients").Result()
		if err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(info) {
			_, _ = fmt.Sscanf(line, "blocked_clients:%d", &blocked)
		}
	}
}

// Of two workers that have nothing to do, one wakes for each round trip that
// brings tasks, and takes them. Whatever makes a task wakes one.
func TestWhoMakesATaskWakesAWorker(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	woken := make(chan string)
	for range 2 {
		a := b.listener(256)
		go func() {
			for {
				content, err := a.want(ctx)
				if err != nil {
					return
				}
				woken <- content
			}
		}()
	}
	wakes := func(what, id string) {
		t.Helper()
		select {
		case content := <-woken:
			if want := b.redis.HGet(ctx, "asynq:{critical}:t:"+id, "msg").Val(); content != want {
				t.Errorf("%s: woken for %q, want task %s", what, content, id)
			}
		case <-time.After(20 * time.Second):
			t.Fatal(what, "woke nobody")
		}
		b.listening(2)
		if left := b.redis.LLen(ctx, bell).Val(); left != 0 {
			t.Errorf("%s: the bell is still ringing", what)
		}
	}
	b.listening(2)
	at := time.Now().Add(time.Hour)
	for i := range 2 { // the first of each kind is a script that Redis doesn't know yet
		id, later := fmt.Sprint("new", i), fmt.Sprint("later", i)
		b.enqueue(id)
		wakes("a new task", id)
		if _, err := b.client.Enqueue(asynq.NewTask(TaskType, nil), asynq.TaskID(later), asynq.Queue(Critical), asynq.ProcessAt(at)); err != nil {
			t.Fatal(err)
		}
		b.listening(2) // what is for later is not for now
		if made, err := b.RunNow(ctx, event.Ref{ID: later}, completed); !made || err != nil {
			t.Fatal(made, err)
		}
		wakes("one that runs now", later)
	}

	leaving := takeAhead(share(dial(b.conn)), 256)
	for _, q := range leaving.stocks {
		if q.prefix == "asynq:{critical}:" {
			q.at = time.Now()
			q.tasks = []taken{{"new0", "as it was taken"}}
		}
	}
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	wakes("one that was given back", "new0")
}

// A bell that nobody hears is kept for the next who listens, once: of what came
// meanwhile that worker takes all.
func TestBellIsKept(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	b.enqueue("1") // its script is known from here on
	b.redis.Del(ctx, bell)
	b.enqueue("2", "3")
	if got, err := b.redis.LRange(ctx, bell, 0, -1).Result(); !cmp.Equal(got, []string{""}) || err != nil {
		t.Errorf("after two tasks the bell is %q, %v", got, err)
	}
	a := b.listener(256)
	for range 3 {
		if content, err := a.want(ctx); content == "" || err != nil {
			t.Fatal(content, err)
		}
	}
	if n := b.redis.LLen(ctx, bell).Val(); n != 1 {
		t.Error("who has work to do has listened")
	}
	go func() {
		b.listening(1) // it heard the one that was kept, found nothing, and listens again
		_ = a.UniversalClient.Close()
	}()
	if content, err := a.want(ctx); content != "" || err == nil {
		t.Errorf("woken for %q, %v", content, err)
	}
}

// A script that Redis has forgotten brings its task a round trip later, and rings
// when it has.
func TestForgottenScriptRings(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	text := `redis.call("DEL", "tillhook:bell") return redis.call("LPUSH", KEYS[2], ARGV[1])`
	if err := redis.NewScript(text).Run(ctx, b.redis, []string{"asynq:{q}:t:1", "asynq:{q}:pending"}, "1").Err(); err != nil {
		t.Fatal(err)
	}
	if n := b.redis.LLen(ctx, bell).Val(); n != 1 {
		t.Error("the bell is", n)
	}
}

// A worker that has taken all that it may wakes another, since there may be more.
func TestFullHandsWakeAnother(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	for i, rings := range []int64{0, 1} {
		for k := range 1 + i { // one task is less than two, which are all that it takes
			b.enqueue(fmt.Sprint(i, k))
		}
		b.redis.Del(ctx, bell)
		if _, err := b.listener(8).want(ctx); err != nil {
			t.Fatal(err)
		}
		if got := b.redis.LLen(ctx, bell).Val(); got != rings {
			t.Errorf("%d tasks taken of 2, and the bell is %d", 1+i, got)
		}
	}
}

// Where only asynq's own keys are allowed, work goes on without the bell.
func TestWorkersThatHearNoBellLook(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	if err := b.redis.Do(ctx, "ACL", "SETUSER", "default", "resetkeys", "~asynq:*").Err(); err != nil {
		t.Fatal(err)
	}
	begun := make(chan string, 1)
	shutdown := b.fleet(FleetConfig{}, func(_ context.Context, a event.Attempt) error {
		begun <- a.ID
		return nil
	})
	defer shutdown()
	b.enqueue("1")
	select {
	case <-begun:
	case <-ctx.Done():
		t.Fatal("not begun")
	}
	if err := b.redis.LLen(ctx, bell).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Error("the bell may ring:", err)
	}
}

package queue

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

// until works, one task at a time, until it has come to the good one, and answers
// the lines that it has logged. First come first served: whatever was queued
// before has had its turn then.
func (b *bench) until(good string) []string {
	b.t.Helper()
	b.enqueue(good)
	seen := make(chan string, 20)
	var log bytes.Buffer // read after the end
	shutdown := b.fleet(FleetConfig{Concurrency: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, func(_ context.Context, a event.Attempt) error {
		seen <- a.ID
		return nil
	})
	first := <-seen
	shutdown()
	if first != good {
		b.t.Errorf("%q was worked on", first)
	}
	return strings.Split(strings.TrimSpace(log.String()), "\n")
}

// renewed wants the recoverer to make another task for each of the events, as if
// there had been none, and that to work.
func (b *bench) renewed(ids ...string) {
	b.t.Helper()
	made := b.Requeue(b.t.Context(), unfinished(ids...))
	for i, id := range ids {
		if made[i] != (event.Task{Made: true}) {
			b.t.Fatalf("%s: %+v", id, made[i])
		}
	}
	for id, a := range b.work(len(ids), func(string) error { return nil }) {
		if diff := cmp.Diff(event.Attempt{Ref: ref(id), Number: 1}, a); diff != "" {
			b.t.Errorf("(-want +got)\n%s", diff)
		}
		if got := b.task(id); got != (task{}) {
			b.t.Errorf("%s: %+v is left", id, got)
		}
	}
}

// What isn't one of ours never gets to the handler, and isn't tried for days: it
// is archived, which is said once. The event whose name it bears is worked off all
// the same.
func TestATaskOfUnknownPayload(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	broken := map[string]string{
		"text": "hello", "empty": "", "no-id": `{"occurredAt":1}`, "list": `["1"]`, "cut": `{"id":"cut","occurredA`,
		"zero": `{"id":"ze\u0000ro"}`, "late": `{"id":"late","occurredAt":9224318016000}`, "early": `{"id":"early","occurredAt":-210866803201}`,
	}
	var ids []string
	for id, body := range broken {
		ids = append(ids, id)
		if _, err := b.client.Enqueue(asynq.NewTask(TaskType, []byte(body)), asynq.TaskID(id), asynq.Queue(Critical)); err != nil {
			t.Fatal(err)
		}
	}
	lines := b.until("good")
	if len(lines) != len(ids) {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for _, id := range ids {
		want := task{"archived", 0, "the task's payload is not a reference to an event: skip retry for the task"}
		if diff := cmp.Diff(want, b.task(id)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", id, diff)
		}
		line := `level=ERROR msg="task archived" id=` + id + ` error="the task's payload is not a reference to an event"`
		if n := strings.Count(strings.Join(lines, "\n"), line); n != 1 {
			t.Errorf("%d lines are %s", n, line)
		}
	}
	b.renewed(ids...)
}

// What asynq itself can't read, or takes for another task, would stay active, and
// be in the way of those whose worker has died. It is dropped, which is said once,
// and the event is worked off by another task.
func TestATaskThatAsynqCannotRead(t *testing.T) {
	t.Parallel()
	b := benchOn(t, devstack.RealRedis(t).URL)
	ctx := t.Context()
	broken := map[string]func(msg string) string{
		"text":    func(string) string { return "hello" },
		"empty":   func(string) string { return "" },
		"cut":     func(msg string) string { return msg[:len(msg)-1] },
		"no-utf8": func(msg string) string { return strings.Replace(msg, TaskType, "stripe:\xffvent", 1) },
		"another": func(msg string) string { return strings.ReplaceAll(msg, "another", "others1") },
		"moved":   func(msg string) string { return strings.Replace(msg, Critical, "criticel", 1) },
	}
	var ids []string
	for id, breaks := range broken {
		ids = append(ids, id)
		b.enqueue(id)
		msg, err := b.redis.HGet(ctx, key("t:"+id), "msg").Result()
		if err != nil {
			t.Fatal(err)
		}
		if breaks(msg) == msg {
			t.Fatalf("%s is whole", id)
		}
		if err := b.redis.HSet(ctx, key("t:"+id), "msg", breaks(msg)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	lines := b.until("good")
	if len(lines) != len(ids) {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for _, id := range ids {
		line := `level=ERROR msg="task dropped" id=` + id + ` error="asynq can't read it"`
		if n := strings.Count(strings.Join(lines, "\n"), line); n != 1 {
			t.Errorf("%d lines are %s", n, line)
		}
	}
	for _, part := range []string{"pending", "active", "lease", "retry", "archived"} {
		if n := b.redis.Exists(ctx, key(part)).Val(); n != 0 {
			t.Errorf("%s is left", part)
		}
	}
	b.renewed(ids...)
}

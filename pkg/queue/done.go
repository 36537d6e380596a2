package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed done.lua
var doneText string

var doneScript = redis.NewScript(doneText)

// errNotFound is what asynq's own script says of a task that is not this
// worker's any more.
var errNotFound = errors.New("NOT FOUND")

// endings are tasks of one queue that are done with, on one day. What a batch has
// settled ends together, and one script for all is a fraction of the work of one
// each, here and in Redis.
type endings struct {
	script
	of []int // whose they are
}

// ends reports whether a script is asynq's for a task that is done with. Its keys
// are active, lease, the task's hash, and how many were processed that day and
// ever; its arguments the task's id, when the day's number is forgotten, and the
// largest number.
func (s script) ends() bool {
	return len(s.keys) == 5 && len(s.args) == 3 && strings.HasSuffix(s.keys[0], "}:active") &&
		strings.HasSuffix(s.keys[1], "}:lease") && strings.HasSuffix(s.keys[4], "}:processed")
}

// gather makes one script of all endings of a queue and a day.
func gather(scripts []script) (all []*endings) {
	for i, s := range scripts {
		if !s.ends() {
			continue
		}
		active, lease, task, day, ever := s.keys[0], s.keys[1], s.keys[2], s.keys[3], s.keys[4]
		at := slices.IndexFunc(all, func(e *endings) bool { return e.keys[2] == day })
		if at < 0 {
			at = len(all)
			all = append(all, &endings{script: script{keys: []string{active, lease, day, ever}, args: []any{s.args[1]}}})
		}
		e := all[at]
		e.keys, e.args, e.of = append(e.keys, task), append(e.args, s.args[0]), append(e.of, i)
	}
	return all
}

// answer is each task's part of the answer for all, as asynq's script gives it.
func (e *endings) answer(ctx context.Context, all *redis.Cmd, cmds []*redis.Cmd) {
	found, err := all.Int64Slice()
	if err == nil && len(found) != len(e.of) {
		err = fmt.Errorf("%d answers for %d tasks", len(found), len(e.of))
	}
	for i, of := range e.of {
		cmds[of] = redis.NewCmd(ctx)
		switch {
		case err != nil:
			cmds[of].SetErr(err)
		case found[i] == 0:
			cmds[of].SetErr(errNotFound)
		default:
			cmds[of].SetVal("OK")
		}
	}
}

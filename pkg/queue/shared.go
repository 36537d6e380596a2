package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"tillhook/pkg/batch"
)

// shared is a client whose callers share round trips. asynq runs one script for
// each task that is put into the queue or done with, from as many goroutines as
// there are tasks: sent one by one, what the kernel does for each is most of
// their cost, here and in Redis.
type shared struct {
	redis.UniversalClient
	scripts *batch.Batcher[script, *redis.Cmd]
	running sync.WaitGroup
}

// script is one EVALSHA.
type script struct {
	sha  string
	keys []string
	args []any
}

// share makes a client over c. Close closes c, too.
func share(c redis.UniversalClient) *shared {
	s := &shared{UniversalClient: c}
	s.scripts = batch.New(batch.Config[script, *redis.Cmd]{Work: s.run})
	s.running.Go(func() { s.scripts.Run(context.Background()) }) // the client's own timeouts bound each round trip
	return s
}

// Close lets what was handed over reach Redis first.
func (s *shared) Close() error {
	s.scripts.Close()
	s.running.Wait()
	return s.UniversalClient.Close()
}

// EvalSha runs a script that is about one task together with those about
// others. Whoever asks for a task waits for nobody: that is one loop's only
// work, and the others' scripts are never so many that they would delay it.
func (s *shared) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if !ofTask(keys) {
		return s.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	cmd, err := s.scripts.Do(ctx, script{sha, keys, args})
	if err != nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(fmt.Errorf("running a script: %w", err))
	}
	return cmd
}

// Eval is how a script is run that Redis doesn't know yet.
func (s *shared) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	cmd := s.UniversalClient.Eval(ctx, text, keys, args...)
	if (script{keys: keys}).fills() {
		s.ring(ctx)
	}
	return cmd
}

// ofTask reports whether one of the keys is a task's.
func ofTask(keys []string) bool {
	for _, key := range keys {
		if strings.Contains(key, "}:t:") {
			return true
		}
	}
	return false
}

// known is the answer to a script of ours, which is run once more if Redis didn't
// know it.
func (s *shared) known(ctx context.Context, text *redis.Script, e script, answer *redis.Cmd) *redis.Cmd {
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		return text.Eval(ctx, s, e.keys, e.args...)
	}
	return answer
}

// run sends scripts and reads their answers, and rings if they have brought
// tasks. Each has its own error.
func (s *shared) run(ctx context.Context, scripts []script) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(scripts))
	rings := slices.ContainsFunc(scripts, script.fills)
	if len(scripts) == 1 && !rings {
		cmds[0] = s.UniversalClient.EvalSha(ctx, scripts[0].sha, scripts[0].keys, scripts[0].args...)
		return cmds, nil
	}
	pipe := s.UniversalClient.Pipeline()
	for i, e := range scripts {
		if !e.ends() {
			cmds[i] = pipe.EvalSha(ctx, e.sha, e.keys, e.args...)
		}
	}
	gathered := gather(scripts)
	ended := make([]*redis.Cmd, len(gathered))
	for i, e := range gathered {
		ended[i] = doneScript.EvalSha(ctx, pipe, e.keys, e.args...)
	}
	if rings {
		addRing(ctx, pipe)
	}
	_, _ = pipe.Exec(ctx) // the first command's error, which that command has
	for i, e := range gathered {
		e.answer(ctx, s.known(ctx, doneScript, e.script, ended[i]), cmds)
	}
	return cmds, nil
}

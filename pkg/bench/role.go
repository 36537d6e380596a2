package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"

	"tillhook/pkg/app"
	"tillhook/pkg/bench/reference"
)

// The processes that a measurement is made of. Each is this program again,
// started by launch with a role's name.
const (
	roleIngest      = "ingest"
	roleWorker      = "worker"
	roleVerify      = "verify-only"
	roleUsual       = "usual"
	roleUsualWorker = "usual-worker"
	roleNoop        = "noop"
)

// What a role reads of its environment besides the product's own variables.
const (
	envListen = "BENCH_LISTEN"
	envSecret = "BENCH_SECRET"
	envCount  = "BENCH_COUNT"
)

// command is a line on a role's standard input, answered by one on its output.
type command struct {
	Do   string `json:"do"` // usage, profile, profiled
	File string `json:"file,omitempty"`
}

// reply answers a command; without one it is a role's result.
type reply struct {
	Usage  usage   `json:"usage"`
	Fault  string  `json:"fault,omitempty"`
	Result float64 `json:"result,omitempty"`
}

// Role runs one of the processes, whose name is the only argument. It ends with
// ctx, or when its standard input does: with whoever started it.
func Role(ctx context.Context, p app.Process) error {
	if len(p.Args) != 1 {
		return errors.New("want the name of a role")
	}
	env := func(name string) string { return lookup(p.Env, name) }
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var out sync.Mutex
	say := func(r reply) {
		out.Lock()
		defer out.Unlock()
		_ = json.NewEncoder(p.Stdout).Encode(r) // nobody reads it any more: the input ends too
	}
	go func() {
		defer stop()
		for lines := bufio.NewScanner(p.Stdin); lines.Scan(); {
			say(obey(lines.Bytes()))
		}
	}()
	number := func(name string) int { n, _ := strconv.Atoi(env(name)); return n }
	switch name := p.Args[0]; name {
	case roleIngest:
		app.Relax() // as the program does
		return app.Ingest(ctx, app.Process{Env: p.Env, Stderr: p.Stderr})
	case roleWorker:
		app.Relax()
		return app.Worker(ctx, app.Process{Env: p.Env, Stderr: p.Stderr})
	case roleVerify, roleUsual:
		l, err := net.Listen("tcp", env(envListen))
		if err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		if name == roleVerify {
			return reference.VerifyOnly(ctx, l, env(envSecret))
		}
		return reference.Usual(ctx, l, env("DATABASE_URL"), env("REDIS_URL"), env(envSecret))
	case roleUsualWorker:
		return reference.Work(ctx, env("DATABASE_URL"), env("REDIS_URL"), number("WORKER_CONCURRENCY"))
	case roleNoop:
		took, err := reference.Noop(ctx, env("REDIS_URL"), number("WORKER_CONCURRENCY"), number(envCount))
		if err == nil {
			say(reply{Result: took.Seconds()})
			<-ctx.Done() // until we were asked what it cost
		}
		return err
	default:
		return fmt.Errorf("there is no role %q", name)
	}
}

func obey(line []byte) (r reply) {
	var o command
	err := json.Unmarshal(line, &o)
	switch {
	case err != nil:
	case o.Do == "profile":
		err = startProfile(o.File)
	case o.Do == "profiled":
		pprof.StopCPUProfile()
	}
	if err != nil {
		r.Fault = err.Error()
	}
	r.Usage = ownUsage()
	return r
}

func startProfile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f) // the file stays open until the process ends
}

func lookup(environ []string, name string) (value string) {
	for _, pair := range environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			value = v // the last one counts
		}
	}
	return value
}

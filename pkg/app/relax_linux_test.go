package app_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tillhook/pkg/app"
)

// relaxing makes this program one that relaxes, and tells what has become of it.
const relaxing = "RELAXING"

type relaxed struct {
	PID   int
	Slack int // of a thread that began afterwards, in nanoseconds
	Args  []string
	Input string
}

func init() {
	if os.Getenv(relaxing) == "" {
		return
	}
	app.Relax()
	slack := make(chan int)
	go func() {
		runtime.LockOSThread()
		ns, _ := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		slack <- ns
	}()
	input, _ := io.ReadAll(os.Stdin)
	_ = json.NewEncoder(os.Stdout).Encode(relaxed{os.Getpid(), <-slack, os.Args[1:], string(input)})
	os.Exit(0)
}

func TestRelaxing(t *testing.T) {
	t.Parallel()
	args := []string{"an argument", "-x", ""}
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), relaxing+"=1")
	c.Stdin = strings.NewReader("a line\n")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got relaxed
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(relaxed{c.Process.Pid, 1_000_000, args, "a line\n"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// Every thread of the programs that serve is relaxed, the runtime's own too.
func TestProgramsRelax(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true}) // for its database
	for name, env := range map[string][]string{"ingest": {"PORT=" + freePort(t)}, "worker": nil, "api": {"PORT=" + freePort(t)}} {
		program := p.launch(name, env...)
		folder := filepath.Join("/proc", strconv.Itoa(program.Process.Pid), "task")
		p.eventually(name+" is relaxed", func() bool {
			threads, err := os.ReadDir(folder)
			if errors.Is(err, fs.ErrNotExist) { // it is taking its own place at this moment
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, thread := range threads {
				slack, err := os.ReadFile(filepath.Join("/proc", thread.Name(), "timerslack_ns"))
				if errors.Is(err, unix.EPERM) { // Linux asks for CAP_SYS_NICE; TestRelaxing needs nothing
					t.Skip("this user may not read other processes' slack")
				}
				if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
					t.Fatal(err)
				}
				if err != nil || string(slack) != "1000000\n" {
					return false
				}
			}
			return len(threads) > 1
		})
	}
}

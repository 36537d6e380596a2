package devstack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supervisor is the shell that every server runs under. It outlives us for as
// long as the server does, which no code of ours could after a kill -9.
//
// Its standard input is a pipe whose other end only this process holds. `read`
// returns when we write "keep" (stop the server, leave its folder) or when the
// pipe closes because we closed it or died (remove the folder as well).
//
// File 3 tells us the server's pid, and by its end that every process of the
// server is gone, since they all inherit it; the shell itself lets go of it.
// File 4, when there is one, is the folder's lock: the shell holds it until the
// folder may be used again.
//
// A server that stands still (Pause) would not take note of its end: it and its
// processes are let go on.
//
// SIGPIPE is ignored from the moment on that there is a server: should we be
// dead before its pid is written, the shell must live on to stop it. SIGHUP is
// what the kernel sends to it if we die while the server stands still.
const supervisor = `
sig=$1 folder=$2
shift 2
"$@" </dev/null 4<&- &
server=$!
trap '' PIPE HUP
echo "$server" >&3
exec 3>&-
read -r word
kill -s "$sig" "$server" 2>/dev/null
for stat in /proc/[0-9]*/stat; do
	read -r pid name state parent rest <"$stat" && [ "$parent" = "$server" ] && kill -s CONT "$pid"
done 2>/dev/null
kill -s CONT "$server" 2>/dev/null
wait "$server"
status=$?
[ -z "$folder" ] || [ "$word" = keep ] || rm -rf "$folder"
exit "$status"
`

// keep is the word that ends a server but not its folder.
const keep = "keep"

// program is what runs under a supervisor.
type program struct {
	argv   []string
	in     folder
	stopBy string // the name of the signal that asks for an orderly end
	as     serverUser
}

// child is a running program. It costs no goroutine, so that a test's check for
// leaked ones does not trip over a server that the whole process shares.
type child struct {
	shell  *exec.Cmd
	orders *os.File // the shell's standard input
	alive  *os.File // ends when the last process of the program has
	pid    int      // the program's own, not the shell's
	gone   bool
}

// startChild starts p with all its output in the folder's log.
func startChild(p program) (*child, error) {
	log, err := os.OpenFile(p.in.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	stdin, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	alive, tell, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, err
	}
	defer tell.Close()

	remove := ""
	if p.in.temporary {
		remove = p.in.path
	}
	shell := exec.Command("/bin/sh", append([]string{"-c", supervisor, "tillhook-supervisor", p.stopBy, remove}, p.argv...)...)
	shell.Dir = p.in.path // ours may be closed to the servers' user
	shell.Env = childEnv()
	shell.Stdin, shell.Stdout, shell.Stderr = stdin, log, log // files, never pipes: `go test` would wait for them to close
	shell.ExtraFiles = []*os.File{tell, p.in.lock}
	shell.SysProcAttr = p.as.attributes()
	c := &child{shell: shell, orders: orders, alive: alive}
	if err := shell.Start(); err != nil {
		orders.Close()
		alive.Close()
		return nil, err
	}
	tell.Close() // ours must not keep the pipe open
	if err := c.readPid(); err != nil {
		_, endErr := c.end("")
		return nil, errors.Join(err, endErr)
	}
	return c, nil
}

// readPid reads the one line that the shell writes, at once.
func (c *child) readPid() error {
	if err := c.alive.SetReadDeadline(time.Now().Add(readyWithin)); err != nil {
		return err
	}
	line := make([]byte, 32)
	n, err := c.alive.Read(line)
	if err != nil {
		return fmt.Errorf("reading the server's pid from its supervisor: %w", err)
	}
	c.pid, err = strconv.Atoi(strings.TrimSpace(string(line[:n])))
	return err
}

// waitGone waits for the end of the program, at most for d, and reports whether
// it has ended.
func (c *child) waitGone(d time.Duration) bool {
	if c.gone {
		return true
	}
	if err := c.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := io.ReadFull(c.alive, make([]byte, 1))
	c.gone = !errors.Is(err, os.ErrDeadlineExceeded)
	return c.gone
}

// end stops the program and its supervisor, waits for both, and returns the
// program's exit status. With the word keep its folder stays. It may be called
// once, also for a program that has ended by itself.
func (c *child) end(word string) (status int, err error) {
	var late error
	if word != "" {
		_, late = fmt.Fprintln(c.orders, word)
	}
	c.orders.Close()
	if !c.waitGone(readyWithin) {
		late = errors.Join(late, fmt.Errorf("process %d did not end within %v and was killed", c.pid, readyWithin))
		if c.pid > 0 { // kill(0) would hit ourselves
			late = errors.Join(late, c.kill())
		}
	}
	err = c.shell.Wait()
	c.alive.Close()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), late
	}
	return 0, errors.Join(late, err)
}

// kill ends the program like a crash and waits until all of it is gone. The
// supervisor has not reaped it, so the pid is still its own.
func (c *child) kill() error {
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing process %d: %w", c.pid, err)
	}
	if !c.waitGone(readyWithin) {
		return fmt.Errorf("process %d was killed, but a process that it started lives on", c.pid)
	}
	return nil
}

// childEnv is what the servers see of our environment: where programs and
// libraries are, and none of the secrets that may be in the rest. The fixed
// locale keeps their messages in one language, and macOS's Postgres starting.
func childEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

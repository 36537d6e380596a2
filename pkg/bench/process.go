package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// endWithin bounds the orderly end of a process; the product's own bound is 10 s.
const endWithin = 15 * time.Second

// process is a role that runs.
type process struct {
	name    string // the role's
	cmd     *exec.Cmd
	orders  io.WriteCloser
	replies *bufio.Scanner
	out     *os.File // what replies reads
	log     string

	mu     sync.Mutex // one command at a time
	exited chan struct{}
	err    error // why, once exited is closed
}

// launch starts a role. Its standard input is a pipe that only we hold: however
// we end, it ends too. It is out of our process group so that Ctrl-C reaches us
// alone, and the rest ends in order.
func (b *bench) launch(role string, env ...string) (*process, error) {
	logPath := filepath.Join(b.dir, role+".log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", role, err)
	}
	defer log.Close()
	cmd := exec.Command(b.o.Self[0], append(b.o.Self[1:len(b.o.Self):len(b.o.Self)], role)...)
	cmd.Env = append(append([]string{}, b.env...), env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &process{name: role, cmd: cmd, log: logPath, exited: make(chan struct{})}
	if p.orders, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = tell
	p.out, p.replies = out, bufio.NewScanner(out)
	err = cmd.Start()
	tell.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	b.running = append(b.running, p)
	return p, nil
}

// ask gives a command and waits for the answer.
func (p *process) ask(o command) (usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(p.orders).Encode(o); err != nil {
		return usage{}, p.fault(fmt.Errorf("giving a command to %s: %w", p.name, err))
	}
	r, err := p.read()
	return r.Usage, err
}

// read waits for the next line that the process writes.
func (p *process) read() (r reply, err error) {
	if !p.replies.Scan() {
		return r, p.fault(errors.Join(fmt.Errorf("%s has ended", p.name), p.replies.Err()))
	}
	if err := json.Unmarshal(p.replies.Bytes(), &r); err != nil {
		return r, fmt.Errorf("reading the answer of %s: %w", p.name, err)
	}
	if r.Fault != "" {
		return r, fmt.Errorf("%s: %s", p.name, r.Fault)
	}
	return r, nil
}

// fault adds the end of the process's log to err.
func (p *process) fault(err error) error {
	const most = 2 << 10
	text, readErr := os.ReadFile(p.log)
	if readErr != nil || len(text) == 0 {
		return err
	}
	return fmt.Errorf("%w; its log ends:\n%s", err, text[max(0, len(text)-most):])
}

// end closes the process's input and waits.
func (p *process) end() error {
	p.orders.Close()
	defer p.out.Close()
	late := time.NewTimer(endWithin)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
		return p.fault(fmt.Errorf("%s did not end within %s and was killed", p.name, endWithin))
	}
	if p.err != nil {
		return p.fault(fmt.Errorf("%s ended badly: %w", p.name, p.err))
	}
	return nil
}

// stop ends one of several processes before the others.
func (b *bench) stop(p *process) error {
	for i, other := range b.running {
		if other == p {
			b.running = append(b.running[:i], b.running[i+1:]...)
			return p.end()
		}
	}
	return nil
}

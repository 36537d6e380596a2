package devstack

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Pause stops every process of the server (SIGSTOP): its port accepts, its
// connections stay, and nothing answers, as on a machine that hangs. Linux only,
// which alone says in /proc whose child a process is.
func (p *Postgres) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on. It does nothing to one that runs.
func (p *Postgres) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Postgres) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster == nil {
		return notOurs("pausing", p.From)
	}
	if p.server == nil {
		return fmt.Errorf("pausing %s: it is not running", p.From)
	}
	// The one that makes the others first: once it stands there are no new ones.
	if err := syscall.Kill(p.server.pid, s); err != nil {
		return fmt.Errorf("pausing %s: %w", p.From, err)
	}
	children, err := childrenOf(p.server.pid)
	if err != nil {
		return fmt.Errorf("pausing %s: %w", p.From, err)
	}
	for _, pid := range children {
		// One that has ended meanwhile needs no pause.
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("pausing %s: %w", p.From, err)
		}
	}
	return nil
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for the children of process %d: %w", pid, err)
	}
	var children []int
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// "pid (name) state parent …", and a name may hold anything.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children, nil
}

// Kill ends the server like a crash (SIGKILL). With RedisAppendOnly what it has
// answered for is there again after the next Start.
func (r *Redis) Kill() error {
	return r.withServer("killing", func(s *redisServer) error {
		server := s.server
		s.server = nil
		err := server.kill()
		_, endErr := server.end(keep)
		return errors.Join(err, endErr)
	})
}

// Pause stops the server (SIGSTOP): its connections stay, and nothing answers.
func (r *Redis) Pause() error {
	return r.withServer("pausing", func(s *redisServer) error { return syscall.Kill(s.server.pid, syscall.SIGSTOP) })
}

// Resume lets a paused server go on. It does nothing to one that runs.
func (r *Redis) Resume() error {
	return r.withServer("resuming", func(s *redisServer) error { return syscall.Kill(s.server.pid, syscall.SIGCONT) })
}

// withServer calls do with the process of a redis-server of ours that runs.
func (r *Redis) withServer(verb string, do func(*redisServer) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.backend.(*redisServer)
	if !ok {
		return notOurs(verb, r.From)
	}
	if s.server == nil {
		return fmt.Errorf("%s %s: it is not running", verb, r.From)
	}
	if err := do(s); err != nil {
		return fmt.Errorf("%s %s: %w", verb, r.From, err)
	}
	return nil
}

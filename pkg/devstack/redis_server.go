package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// redisDatabases is how many databases a redis-server has here, so that each
// test of a process can have its own. An unused one costs next to nothing.
const redisDatabases = 1024

// redisServer is a redis-server program under a supervisor.
type redisServer struct {
	program  string
	folder   folder
	as       serverUser
	password string // "" lets everyone on this machine in
	port     int
	settings string // more lines of the configuration
	sentinel bool   // it watches other servers instead of being one
	server   *child // nil while stopped
}

var redisVersionWord = regexp.MustCompile(`v=(\S+)`)

// redisVersion asks the program, as the user who is going to run it.
func redisVersion(ctx context.Context, program string, as serverUser) (string, error) {
	ask := exec.CommandContext(ctx, program, "--version")
	ask.Dir, ask.Env, ask.SysProcAttr = "/", childEnv(), as.attributes()
	out, err := ask.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	if match := redisVersionWord.FindStringSubmatch(string(out)); match != nil {
		return match[1], nil
	}
	return "of unknown version", nil // something that stands in for it; it is used all the same
}

func (s *redisServer) url() string {
	if s.password == "" {
		return fmt.Sprintf("redis://127.0.0.1:%d", s.port)
	}
	return fmt.Sprintf("redis://:%s@127.0.0.1:%d/0", s.password, s.port)
}

// configFile is where the settings go: on the command line everyone could read
// the password.
func (s *redisServer) configFile() string { return filepath.Join(s.folder.path, "redis.conf") }

func (s *redisServer) writeConfig() error {
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\ndaemonize no\n", s.port, s.folder.path)
	if s.password != "" {
		text += fmt.Sprintf("requirepass %s\n", s.password)
	}
	if !s.sentinel {
		text += fmt.Sprintf("databases %d\nsave \"\"\nappendonly no\n", redisDatabases)
	}
	text += s.settings
	if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
		return err
	}
	return s.as.give(s.configFile())
}

func (s *redisServer) start(ctx context.Context) error {
	if s.server != nil {
		return nil
	}
	if err := s.folder.clearLog(); err != nil {
		return err
	}
	if err := s.writeConfig(); err != nil {
		return err
	}
	argv := []string{s.program, s.configFile()}
	if s.sentinel {
		argv = append(argv, "--sentinel")
	}
	server, err := startChild(program{argv: argv, in: s.folder, stopBy: "TERM", as: s.as})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		unready := pingRedis(ctx, s.url())
		if unready == nil {
			s.server = server
			return nil
		}
		// Whoever took the port before us must not answer for a server that ended.
		var fault error
		if server.waitGone(readyPoll) {
			fault = errors.New("it ended before it was ready")
		} else if ctx.Err() != nil {
			fault = fmt.Errorf("it was not ready in time: %w", unready)
		}
		if fault != nil {
			_, err := server.end(keep)
			return errors.Join(fmt.Errorf("%w; %s", fault, s.folder.tail()), err)
		}
	}
}

func (s *redisServer) stop() error { return s.end(keep) }

func (s *redisServer) end(word string) error {
	if s.server == nil {
		return nil
	}
	server := s.server
	s.server = nil
	status, err := server.end(word)
	if err == nil && status != 0 {
		err = fmt.Errorf("it ended with status %d", status)
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, s.folder.tail())
	}
	return nil
}

// crash ends the server at once, as kill -9 and a dead machine do.
func (s *redisServer) crash() error {
	if s.server == nil {
		return nil
	}
	server := s.server
	s.server = nil
	err := server.kill()
	_, endErr := server.end(keep) // its status is that of the signal
	return errors.Join(err, endErr)
}

func (s *redisServer) close() error {
	return errors.Join(s.end(""), s.folder.close())
}

package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// superuser is the role that initdb makes and everything here connects as.
const superuser = "tillhook"

// readyPoll is how often a starting server is looked at. A server offers no
// signal for "ready" but its pid file and its port.
const readyPoll = 10 * time.Millisecond

// cluster is a Postgres data directory and how to run a server on it.
type cluster struct {
	folder   folder
	programs programs
	as       serverUser
	fsync    bool
	password string
	port     int
}

func (c *cluster) data() string         { return filepath.Join(c.folder.path, "data") }
func (c *cluster) passwordFile() string { return filepath.Join(c.folder.path, "password") }

// url names the database that initdb leaves, empty, for applications.
func (c *cluster) url() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, c.password),
		Host: "127.0.0.1:" + strconv.Itoa(c.port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// openCluster makes a fresh cluster, or with cfg.Keep takes hold of the one
// that is there.
func openCluster(ctx context.Context, cfg Config, base string, programs programs, as serverUser) (*cluster, error) {
	c := &cluster{programs: programs, as: as, fsync: cfg.Fsync}
	var err error
	if cfg.Keep {
		c.folder, err = keptFolder(ctx, filepath.Join(base, "pgdata-"+strconv.Itoa(programs.major)), as)
	} else {
		if memory, ok := memoryBase(cfg, as); ok {
			base = memory
		}
		c.folder, err = newFolder(base, "postgres", as)
	}
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, cfg); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// keptFolder opens the folder at path, which only one process may use at a
// time. It waits only for a supervisor that is still stopping the server of a
// process that was killed.
func keptFolder(ctx context.Context, path string, as serverUser) (folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return folder{}, err
	}
	if err := as.give(path); err != nil {
		return folder{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	lock, err := awaitLock(ctx, filepath.Join(path, "lock"), func(held *heldError) bool { return !running(held.pid) })
	if held := new(heldError); errors.As(err, &held) && running(held.pid) {
		return folder{}, fmt.Errorf("the data in %s is in use by process %d: stop that one first, or choose another folder", path, held.pid)
	}
	if err != nil {
		return folder{}, err
	}
	return folder{path: path, lock: lock}, nil
}

// prepare runs initdb unless there is data from an earlier run.
func (c *cluster) prepare(ctx context.Context, cfg Config) error {
	if err := c.folder.clearLog(); err != nil {
		return err
	}
	_, err := os.Stat(c.data())
	if err == nil {
		text, err := os.ReadFile(c.passwordFile())
		c.password = strings.TrimSpace(string(text))
		if err != nil {
			return fmt.Errorf("reading the password of the data beside it: %w (to begin anew, remove %s)", err, c.folder.path)
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	c.password = newPassword()
	if err := os.WriteFile(c.passwordFile(), []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := c.as.give(c.passwordFile()); err != nil {
		return err
	}
	return c.initdb(ctx)
}

// initdb works on a folder beside the data and renames it, so that an initdb
// that was interrupted is never taken for a cluster.
func (c *cluster) initdb(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	raw := c.data() + ".new"
	if err := os.RemoveAll(raw); err != nil {
		return err
	}
	argv := []string{
		filepath.Join(c.programs.dir, "initdb"), "--pgdata", raw, "--username", superuser, "--pwfile", c.passwordFile(),
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
	}
	if !c.fsync {
		argv = append(argv, "--no-sync")
	}
	child, err := startChild(program{argv: argv, in: c.folder, stopBy: "TERM", as: c.as})
	if err != nil {
		return fmt.Errorf("running initdb: %w", err)
	}
	for !child.waitGone(readyPoll) {
		if ctx.Err() != nil {
			_, err := child.end("")
			return errors.Join(fmt.Errorf("running initdb: %w", ctx.Err()), err)
		}
	}
	status, err := child.end(keep)
	if err == nil && status != 0 {
		err = fmt.Errorf("it ended with status %d", status)
	}
	if err != nil {
		return fmt.Errorf("running initdb: %w; %s", err, c.folder.tail())
	}
	return os.Rename(raw, c.data())
}

// settings go on the command line, over whatever a kept postgresql.conf says.
func (c *cluster) settings() map[string]string {
	set := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(c.port),
		"unix_socket_directories": "", // the port is enough, and a socket is one more file to leave behind
		"max_connections":         "300",
		"shared_buffers":          "128MB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"cluster_name":            "tillhook",
	}
	if !c.fsync {
		// synchronous_commit stays on: without fsync it costs one write to the
		// page cache, and without it a killed server forgets what it committed.
		set["fsync"] = "off"
		set["full_page_writes"] = "off"
		// In the data directory, where a killed server's segments go with it.
		set["dynamic_shared_memory_type"] = "mmap"
		set["max_wal_size"] = "256MB" // it may live in memory; see memoryBase
	}
	return set
}

// start runs a server and returns once it accepts connections.
func (c *cluster) start(ctx context.Context) (*child, error) {
	argv := []string{filepath.Join(c.programs.dir, "postgres"), "-D", c.data()}
	for name, value := range c.settings() {
		argv = append(argv, "-c", name+"="+value)
	}
	server, err := startChild(program{argv: argv, in: c.folder, stopBy: "INT", as: c.as})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for !c.ready(server.pid) {
		var fault error
		if server.waitGone(readyPoll) {
			fault = errors.New("it ended before it was ready")
		} else if ctx.Err() != nil {
			// Nobody has used it yet, so it need not end orderly, but at once.
			fault = errors.Join(fmt.Errorf("it was not ready in time: %w", ctx.Err()), server.kill())
		}
		if fault != nil {
			_, err := server.end(keep) // the folder stays for another try
			return nil, errors.Join(fmt.Errorf("%w; %s", fault, c.folder.tail()), err)
		}
	}
	return server, nil
}

// ready reads the server's pid file, in which line 1 is its pid (not that of a
// predecessor that crashed) and line 8 its state. Trying to connect instead
// would fill the log with refusals.
func (c *cluster) ready(pid int) bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// close lets go of the cluster's files and removes those of a temporary one. A
// killed server leaves a few bytes of System V shared memory, whose id is in
// line 7 of the pid file that it leaves too; the next server on a kept cluster
// clears it, for a temporary one we do.
func (c *cluster) close() error {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if lines := strings.Split(string(text), "\n"); err == nil && c.folder.temporary && len(lines) >= 7 {
		if ids := strings.Fields(lines[6]); len(ids) == 2 {
			// At worst 56 bytes stay until the machine's next start.
			_ = exec.Command("ipcrm", "-m", ids[1]).Run()
		}
	}
	return c.folder.close()
}

package app_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tillhook/pkg/app"
)

// waits tells when somebody reads of it, and has nothing to read.
type waits struct {
	io.Reader
	begun chan struct{}
}

func (w waits) Read(b []byte) (int, error) {
	close(w.begun)
	return w.Reader.Read(b)
}

// Ctrl-C ends a command whose pipe says nothing and stays open.
func TestOpsCtrlCEndsTheReadingOfASecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("r", "")
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	pipe, done := waits{r, make(chan struct{})}, make(chan error, 1)
	go func() {
		done <- app.Ops(ctx, app.Process{Args: []string{"secrets", "set", "r", "--stdin", "--commit"},
			Env:   []string{"DATABASE_URL=" + d.url, "PAYMENT_CONFIG_ENC_KEY=" + d.keys, "USER=anna"},
			Stdin: pipe, Stdout: io.Discard, Stderr: io.Discard})
	}()
	<-pipe.begun
	cancel()
	select {
	case err := <-done:
		if app.ExitCode(err) != 1 || err.Error() != "reading the signing secret of r: interrupted; nothing was changed" {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("30 s after Ctrl-C it still waits for the pipe")
	}
}

// freezer forwards to a server until it is frozen. Then it says nothing any more, and
// keeps all connections, as a server does whose network is gone.
type freezer struct {
	net.Listener
	target string
	frozen atomic.Bool
}

func (f *freezer) run() {
	for {
		c, err := f.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", f.target)
		if err != nil {
			_ = c.Close()
			return
		}
		go f.forward(s, c)
		go f.forward(c, s)
	}
}

func (f *freezer) forward(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if f.frozen.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// Postgres is gone without a word while a command waits for its answer.
func TestOpsCtrlCEndsTheWaitForPostgres(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := &freezer{Listener: l, target: u.Host}
	go f.run()
	u.Host = l.Addr().String()
	tx, err := d.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE "Order" IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- app.Ops(ctx, app.Process{Args: []string{"orders", "stuck"},
			Env:   []string{"DATABASE_URL=" + u.String() + "&lock_timeout=600000", "USER=anna"},
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard})
	}()
	for d.scalar(`SELECT count(*)::text FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'tillhook ops' AND wait_event_type = 'Lock'`) == "0" {
		select {
		case err := <-done:
			t.Fatalf("it ends before: %v", err)
		default:
		}
	}
	f.frozen.Store(true)
	cancel()
	select {
	case err := <-done:
		if app.ExitCode(err) != 1 {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("a minute after Ctrl-C it still waits for Postgres")
	}
}

// Whoever presses Ctrl-C twice doesn't want to wait.
func TestTheSecondCtrlCKills(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(dir, "ops"), "orders", "stuck")
	c.Env = []string{"DATABASE_URL=postgres://a:b@" + l.Addr().String() + "/c", "USER=anna"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); err != nil { // it is well under way
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = c.Process.Signal(os.Interrupt) // it may be gone
			continue
		case <-ended:
		}
		break
	}
	if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGINT {
		t.Errorf("it ends with %s", c.ProcessState)
	}
}

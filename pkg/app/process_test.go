package app_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/stripetest"
)

// binaries builds the real programs, once.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tillhook-bin")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "tillhook/cmd/ingest", "tillhook/cmd/worker", "tillhook/cmd/api", "tillhook/cmd/ops").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// process is a running program of ours.
type process struct {
	*exec.Cmd
	logs   *safeBuffer
	exited chan error
}

func (p *product) launch(name string, env ...string) *process {
	p.Helper()
	return launch(p, name, append([]string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal(), "REDIS_URL=" + p.cfg.RedisURL.Reveal(),
		"PAYMENT_CONFIG_ENC_KEY=" + encKey, "APP_ENV=production"}, env...)...)
}

// launch starts one of our programs, until the end of the test.
func launch(t testing.TB, name string, env ...string) *process {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := &process{exec.Command(filepath.Join(dir, name)), &safeBuffer{}, make(chan error, 1)}
	c.Env = env
	c.Stdout, c.Stderr = c.logs, c.logs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exited <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it is gone already unless the test failed
		if t.Failed() {
			t.Logf("%s: %s", name, tail(c.logs.String(), 2000))
		}
	})
	return c
}

// terminate sends SIGTERM and wants exit code 0 within ten seconds.
func (c *process) terminate(t *testing.T) {
	t.Helper()
	started := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case err := <-c.exited:
		if err != nil {
			t.Errorf("%s: %v", c.Path, err)
		}
		t.Logf("%s ended after %s", filepath.Base(c.Path), time.Since(started).Round(time.Millisecond))
	case <-ctx.Done():
		t.Fatalf("%s is still running 10 s after SIGTERM", c.Path)
	}
}

// Under load, ingest is told to stop: what it answered with 200 is stored, and
// it ends in time. Likewise the worker, whose tasks are worked off by the next.
func TestSIGTERMLosesNothing(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true}) // for its database; the traffic goes to the processes
	port := freePort(t)
	ingest, first := p.launch("ingest", "PORT="+port), p.launch("worker", "RECOVER_AFTER=1s")
	p.base = "http://127.0.0.1:" + port
	p.eventually("ingest answers", func() bool { return p.get("/health").status == http.StatusOK })

	payments := p.newPayments("b", 4000)
	events := make([]stripetest.Event, len(payments))
	for i, pay := range payments {
		events[i] = p.factory.CheckoutCompleted(pay)
	}
	var next, acked atomic.Int64
	underway := make(chan struct{})
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(events)); i = next.Add(1) - 1 {
				switch got := p.deliver(payments[i], events[i]); got.status {
				case 200:
					if acked.Add(1) == 500 {
						close(underway)
					}
				case 0: // refused or cut off: Stripe would deliver again
				default:
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	<-underway
	// Someone who has begun a delivery and doesn't go on must not keep it.
	slow, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", endpoint)
	first.terminate(t)
	ingest.terminate(t)
	senders.Wait()
	if acked.Load() == int64(len(events)) {
		t.Fatal("all deliveries were over before the signal came")
	}
	if stored := p.count(`"dedupeKey" IS NOT NULL`); stored < acked.Load() {
		t.Errorf("%d answered with 200, %d stored", acked.Load(), stored)
	}
	second := p.launch("worker", "RECOVER_AFTER=1s")
	p.eventually("the next worker finishes", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	second.terminate(t)
	if got, want := p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`), p.rows(`"dedupeKey" IS NOT NULL`); got != want {
		t.Errorf("%s orders are PAID by %s events", got, want)
	}
}

func TestAMissingConfigurationStopsTheStartWithEveryFault(t *testing.T) {
	t.Parallel()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(dir, "ingest"))
	c.Env = []string{"APP_ENV=production", "PORT=abc", "REDIS_URL=http://x"}
	out, err := c.CombinedOutput()
	if err == nil {
		t.Fatal("it started")
	}
	want := `ingest: the configuration has 4 faults:
  PORT: not a whole number
  DATABASE_URL: missing; such as postgres://user:password@host:5432/database
  REDIS_URL: want redis://host:port/db, rediss://…, redis://host,host,host (Cluster) or redis-sentinel://host,host/master
  PAYMENT_CONFIG_ENC_KEY: missing; make one with: openssl rand -hex 32
`
	if string(out) != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(devstack.FreePort(t))
}

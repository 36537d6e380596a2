package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/stripetest"
)

const (
	rollingRate     = 500 // deliveries a second
	rollingRestarts = 6   // of one process after the other
	rollingDelay    = "3s"
)

// Two processes behind the product's own Caddyfile, restarted one after the
// other while deliveries come in: the sender sees nothing but 200, and every
// event is stored once.
func TestRollingRestartUnderLoad(t *testing.T) {
	caddy := devstack.Tool(t, "caddy")
	p := prepare(t, parts{})
	payments := p.newPayments("b", 2000)
	fleet := []*rolled{newRolled(p), newRolled(p)}
	for _, r := range fleet {
		r.start(p)
	}
	p.base = runCaddy(p, caddy, fleet)
	p.eventually("a delivery comes through", func() bool { return p.get("/health").status == http.StatusOK })

	load := &steadyLoad{p: p, payments: payments, stop: make(chan struct{})}
	var sending sync.WaitGroup
	sending.Go(load.run)
	for i := range rollingRestarts {
		before := load.sent.Load()
		one := fleet[i%len(fleet)]
		one.terminate(t)
		one.start(p)
		p.eventually("the load goes on", func() bool { return load.sent.Load() > before+rollingRate })
	}
	close(load.stop)
	sending.Wait()

	sent, took := load.sent.Load(), load.took
	t.Logf("%d deliveries in %s (%.0f a second), %d restarts; slowest answer %s", sent, took.Round(time.Millisecond),
		float64(sent)/took.Seconds(), rollingRestarts, time.Duration(load.slowest.Load()).Round(time.Millisecond))
	for kind, n := range load.failed {
		t.Errorf("%d times: %s", n, kind)
	}
	if stored := p.count(`"dedupeKey" IS NOT NULL`); stored != sent {
		t.Errorf("%d sent, %d stored", sent, stored)
	}
	if rate := float64(sent) / took.Seconds(); rate < 0.9*rollingRate {
		t.Errorf("%.0f deliveries a second: that is not the load this is about", rate)
	}
}

// After SIGTERM a process says that it is unready, and takes deliveries all the
// same until the delay is over; each answer sends its sender elsewhere.
func TestALeavingProcessServesOn(t *testing.T) {
	t.Parallel()
	p := prepare(t, parts{})
	one := newRolled(p)
	one.start(p)
	p.base = "http://127.0.0.1:" + one.port
	pays := p.newPayments("a", 2)
	if got := p.deliver(pays[0], p.factory.CheckoutCompleted(pays[0])); got.status != 200 || one.sendsAway(p) {
		t.Fatalf("before: %+v", got)
	}
	if err := one.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.eventually("it says so", func() bool { return p.get("/health").status == 503 })
	if status, body := p.privately(one.private, "/readyz"); status != 503 || !strings.Contains(body, `"status":"stopping"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := p.privately(one.private, "/livez"); status != 200 {
		t.Errorf("/livez: %d", status)
	}
	if got := p.deliver(pays[1], p.factory.CheckoutCompleted(pays[1])); got.status != 200 || !one.sendsAway(p) {
		t.Errorf("while it leaves: %+v", got)
	}
	if got := p.rows(`"dedupeKey" IS NOT NULL`); got != "2" {
		t.Errorf("%s stored", got)
	}
	if err := <-one.exited; err != nil {
		t.Error(err)
	}
	if probe := one.probe(p); probe.Run() == nil {
		t.Error("ops probe finds it ready")
	}
}

// rolled is one ingest process that is started again and again, on the same
// addresses.
type rolled struct {
	*process
	port, private string
}

func newRolled(p *product) *rolled { return &rolled{port: freePort(p.T), private: freePort(p.T)} }

func (r *rolled) start(p *product) {
	p.Helper()
	r.process = p.launch("ingest", "PORT="+r.port, "METRICS_ADDR=127.0.0.1:"+r.private,
		"SHUTDOWN_DELAY="+rollingDelay, "TRUSTED_PROXIES=127.0.0.1")
	if out, err := r.probe(p, "--wait", "60s").CombinedOutput(); err != nil {
		p.Fatalf("ops probe: %v\n%s", err, out)
	}
}

// sendsAway reports whether the process ends a connection with its answer.
func (r *rolled) sendsAway(p *product) bool {
	p.Helper()
	resp, err := p.client.Get("http://127.0.0.1:" + r.port + "/livez")
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Close
}

// probe asks it as a container's health check does.
func (r *rolled) probe(p *product, args ...string) *exec.Cmd {
	p.Helper()
	dir, err := binaries()
	if err != nil {
		p.Fatal(err)
	}
	c := exec.Command(filepath.Join(dir, "ops"), append([]string{"probe"}, args...)...)
	c.Env = []string{"METRICS_ADDR=127.0.0.1:" + r.private}
	return c
}

// runCaddy runs the product's Caddyfile with nothing changed but addresses and
// TLS, and returns its URL.
func runCaddy(p *product, caddy string, fleet []*rolled) string {
	p.Helper()
	port, dir := freePort(p.T), p.TempDir()
	config, err := os.ReadFile("../../deploy/Caddyfile")
	if err != nil {
		p.Fatal(err)
	}
	// Both would take ports that this machine may have given to somebody else.
	config = bytes.Replace(config, []byte("{\n"), []byte("{\n\tadmin off\n\tauto_https disable_redirects\n"), 1)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		p.Fatal(err)
	}
	c := exec.Command(caddy, "run", "--config", file, "--adapter", "caddyfile")
	c.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "SITE_ADDRESS=http://127.0.0.1:"+port,
		"INGEST_UPSTREAMS=127.0.0.1:"+fleet[0].port+" 127.0.0.1:"+fleet[1].port, "API_UPSTREAMS=127.0.0.1:1",
		"PANEL_BIND=127.0.0.1", "PANEL_PORT="+freePort(p.T), "ADMIN_UPSTREAM=127.0.0.1:1")
	logs := &safeBuffer{}
	c.Stdout, c.Stderr = logs, logs
	if err := c.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
		if p.Failed() {
			p.Logf("caddy: %s", tail(logs.String(), 4000))
		}
	})
	return "http://127.0.0.1:" + port
}

// steadyLoad delivers at rollingRate, each event once, as Stripe does: it waits
// for nobody before it sends the next.
type steadyLoad struct {
	p        *product
	payments []stripetest.Payment
	stop     chan struct{}

	sent, slowest atomic.Int64
	took          time.Duration
	mu            sync.Mutex
	failed        map[string]int
}

func (l *steadyLoad) run() {
	l.failed = map[string]int{}
	started := time.Now()
	var inFlight sync.WaitGroup
	room := make(chan struct{}, 256)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for planned := 0; ; {
		select {
		case <-l.stop:
			inFlight.Wait()
			l.took = time.Since(started)
			return
		case <-tick.C:
		}
		for ; planned < int(time.Since(started).Seconds()*rollingRate); planned++ {
			pay := l.payments[planned%len(l.payments)]
			e := l.p.factory.CheckoutCompleted(pay)
			room <- struct{}{}
			inFlight.Go(func() {
				defer func() { <-room }()
				l.one(pay, e)
			})
		}
	}
}

func (l *steadyLoad) one(pay stripetest.Payment, e stripetest.Event) {
	began := time.Now()
	got := l.p.deliver(pay, e)
	took := int64(time.Since(began))
	for was := l.slowest.Load(); took > was && !l.slowest.CompareAndSwap(was, took); {
		was = l.slowest.Load()
	}
	l.sent.Add(1)
	if got.status != http.StatusOK {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed[fmt.Sprint(got.status, " ", got.body)]++
	}
}

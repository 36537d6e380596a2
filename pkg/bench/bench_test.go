package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/app"
	"tillhook/pkg/bench"
	"tillhook/pkg/stripe"
)

// asRole makes this test binary one of a benchmark's processes.
const asRole = "bench-role"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asRole {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err := bench.Role(ctx, app.Process{Args: os.Args[2:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func quick(t *testing.T) bench.Options {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("REDIS_URL") == "" {
		t.Skipf("it measures on a real Redis: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return bench.Options{
		Connections: []int{64}, Rates: []float64{1000}, Concurrency: []int{384}, Rounds: 1, Lasting: 200 * time.Millisecond,
		Drain: 200, Duplicates: 20, Stored: 1000, Strict: true, Self: []string{self, asRole},
		JSON: filepath.Join(dir, "bench.json"), Report: filepath.Join(dir, "bench.html"), Profiles: filepath.Join(dir, "profiles"),
	}
}

// run measures. It always uses services of its own: the tests' Postgres commits
// without fsync, and that is refused.
func run(t *testing.T, ctx context.Context, o bench.Options) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := bench.Run(ctx, app.Process{Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, Stdout: &out, Stderr: &out}, o)
	return out.String(), err
}

// read reads the file of figures.
func read(t *testing.T, path string) (r bench.Result) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Everything that is answered with 200 is stored, and every order of it PAID,
// or Run would fail; and it is all told.
func TestQuick(t *testing.T) {
	t.Parallel()
	o := quick(t)
	out, err := run(t, t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 && !strings.Contains(line, "/") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	r := read(t, o.JSON)
	var got []string
	for _, f := range r.Figures {
		got = append(got, f.Kind.String())
		if f.Events == 0 || f.Failed != 0 || f.PerSecond <= 0 {
			t.Errorf("%s: %d events, %d failed, %f/s", f.Kind, f.Events, f.Failed, f.PerSecond)
		}
	}
	want := []string{
		"verify-only, closed loop, 64 connections", "usual, closed loop, 64 connections", "tillhook, closed loop, 64 connections",
		"tillhook, closed loop, 64 connections, 20 % duplicates", "tillhook, closed loop, 64 connections, 1000 stored before",
		"counts by status, 1 h, query, 1000 stored before",
		"/api/health/webhooks, query, 1000 stored before", "state for /metrics, query, 1000 stored before",
		"stuck orders, query, 1000 stored before", "panel, newest events, query, 1000 stored before",
		"panel, failed events, query, 1000 stored before",
		"verify-only, paced, 1000/s", "usual, paced, 1000/s", "tillhook, paced, 1000/s",
		"asynq no-op, drain, 384 at a time", "usual, drain, 32 at a time", "tillhook, drain, 384 at a time",
		"usual, whole life, 64 connections", "tillhook, whole life, 64 connections", "Postgres, empty commit",
		"usual, open loop, 1000/s", "tillhook, open loop, 1000/s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if r.Services.Fsync != "on" || r.Services.SynchronousCommit != "on" || len(r.Targets) != 23 {
		t.Errorf("%+v, %d targets", r.Services, len(r.Targets))
	}
	page, err := os.ReadFile(o.Report)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(page, []byte("<svg ")); n != 3 || bytes.Contains(page, []byte("://")) || bytes.Contains(page, []byte("NaN")) {
		t.Errorf("%d plots, or something from elsewhere, or no number:\n%s", n, page)
	}
	for _, name := range []string{"ingest.pprof", "worker.pprof"} {
		if info, err := os.Stat(filepath.Join(o.Profiles, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What wasn't asked for is neither measured nor judged; to ask for what there isn't
// is an error that says what there is.
func TestOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	o := quick(t)
	o.Stored, o.Report, o.Profiles, o.Only = 0, "", "", []string{"tillhook, open"}
	if out, err := run(t, t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := read(t, o.JSON)
	var got []string
	for _, f := range r.Figures {
		got = append(got, f.Kind.String())
	}
	for _, target := range r.Targets {
		got = append(got, target.Name)
	}
	want := []string{
		"tillhook, open loop, 1000/s", "POST to committed order at 1000/s, p50", "POST to committed order at 1000/s, p99",
		"memory of ingest at its highest", "memory of worker at its highest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	o.Only = []string{"opened"}
	if _, err := run(t, t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "no measurement has opened in its name; there are:\n  verify-only, closed loop") {
		t.Error(err)
	}
}

// To an endpoint that runs elsewhere deliveries are only sent, signed with its
// secret, and nothing is said of what can't be known from here. If it takes none
// of them that is an error.
func TestAnEndpointElsewhere(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		signature, parseErr := stripe.ParseSignature(r.Header.Get("Stripe-Signature"))
		if errors.Join(err, parseErr, signature.CheckTime(time.Now())) != nil || r.URL.Path != "/hook/a" || !signature.Match("whsec_a", body) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		taken.Add(1)
	}))
	t.Cleanup(server.Close)
	o := bench.Options{
		URL: server.URL + "/hook/a", Secret: "whsec_a", Connections: []int{4}, Rates: []float64{200}, Rounds: 1,
		Lasting: 100 * time.Millisecond, JSON: filepath.Join(t.TempDir(), "bench.json"),
	}
	out, err := run(t, t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, unknown := range []string{"worker", "generator", "CPU 0", "RATIOS"} {
		if strings.Contains(out, unknown) {
			t.Errorf("it speaks of %q:\n%s", unknown, out)
		}
	}
	r, events := read(t, o.JSON), 0
	for _, f := range r.Figures {
		events += f.Events
	}
	// The lead-in of the open loop is taken, and not among the events.
	if n := int(taken.Load()); len(r.Figures) != 2 || events == 0 || events > n {
		t.Errorf("%d events in %d figures, %d taken", events, len(r.Figures), n)
	}
	o.Secret = "whsec_b"
	if _, err := run(t, t.Context(), o); err == nil || !strings.Contains(err.Error(), "no delivery was accepted") {
		t.Errorf("with another secret: %v", err)
	}
}

// Ctrl-C in the middle leaves no process behind.
func TestStoppedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	o := quick(t)
	o.Lasting, o.Stored = 5*time.Second, 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out watched
	out.when, out.then = "round 1", stop
	err := bench.Run(ctx, app.Process{Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, Stdout: &out}, o)
	if err == nil || err.Error() != "stopped before the end" {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// watched calls then once when has been written.
type watched struct {
	bytes.Buffer
	when string
	then func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if bytes.Contains(w.Bytes(), []byte(w.when)) {
		w.then()
	}
	return n, err
}

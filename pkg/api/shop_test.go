package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tillhook/pkg/telemetry"
)

// shop is a running server.
type shop struct {
	*testing.T
	*Server
	world   *world
	base    string
	metrics *telemetry.Metrics
	logs    *logs
	stop    context.CancelFunc
	ended   chan error
}

type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *logs) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newShop(t *testing.T, change ...func(*Config)) *shop {
	t.Helper()
	w := newWorld()
	sh := &shop{T: t, world: w, metrics: telemetry.NewMetrics(), logs: &logs{}, ended: make(chan error, 1)}
	frontend, err := url.Parse("https://shop.example")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Orders: w, Checkouts: w, Abandoned: w, Stripe: w, Keys: w, KeyForm: KeyForm{isKey, hashOf}, Tokens: w, Frontend: frontend,
		Ready: func(context.Context) bool { return true }, Metrics: sh.metrics.NewAPI(), Log: slog.New(slog.NewJSONHandler(sh.logs, nil)),
	}
	for _, f := range change {
		f(&cfg)
	}
	sh.Server = NewServer(cfg)
	return sh
}

// run serves on a listener until the test ends.
func (sh *shop) run(l net.Listener) *shop {
	sh.Helper()
	sh.base = "http://" + l.Addr().String()
	var ctx context.Context
	ctx, sh.stop = context.WithCancel(context.Background())
	go func() { sh.ended <- sh.Server.Run(ctx, l) }()
	sh.Cleanup(func() {
		sh.stop()
		if err := <-sh.ended; err != nil {
			sh.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return sh
}

func (sh *shop) listen() *shop {
	sh.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		sh.Fatal(err)
	}
	return sh.run(l)
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// call asks without a network. headers are "Name: value".
func (sh *shop) call(method, path, body string, headers ...string) reply {
	sh.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	sh.http.Handler.ServeHTTP(rec, req)
	return reply{rec.Code, rec.Header(), strings.TrimSpace(rec.Body.String())}
}

// get asks over the network, and leaves the body to be read.
func (sh *shop) get(ctx context.Context, path string, headers ...string) *http.Response {
	sh.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sh.base+path, nil)
	if err != nil {
		sh.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		sh.Fatal(err)
	}
	sh.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// waitingFor waits until so many clients wait for the order.
func (sh *shop) waitingFor(id string, n int) {
	sh.Helper()
	look := time.NewTicker(time.Millisecond) // no signal tells of it
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-look.C {
		sh.hub.mu.Lock()
		got := len(sh.hub.waiting[id])
		sh.hub.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			sh.Fatalf("%d wait for %s, want %d", got, id, n)
		}
	}
}

func (sh *shop) token(id string) string { return "Authorization: Bearer " + sh.world.Token(id) }

// events reads a stream: "field: value" lines of one event, or nil at its end.
type events struct{ *bufio.Reader }

func (e events) next() (map[string]string, error) {
	got := map[string]string{}
	for {
		line, err := e.ReadString('\n')
		if errors.Is(err, io.EOF) && len(got) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return maps.Clone(got), nil
		}
		name, value, _ := strings.Cut(line, ": ")
		got[name] = value
	}
}

package postgres_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// swallower stands before a server and, once told to, swallows every byte: the
// connection is open and dead, as after a failover that nobody announced.
type swallower struct {
	addr string
	dead atomic.Bool
}

func newSwallower(t *testing.T, server string) *swallower {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &swallower{addr: l.Addr().String()}
	var running sync.WaitGroup
	var conns []net.Conn
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				break
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			conns = append(conns, client, upstream)
			for _, pair := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
				running.Go(func() { s.forward(pair[0], pair[1]) })
			}
		}
		for _, c := range conns {
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return s
}

func (s *swallower) forward(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			if err == io.EOF && !s.dead.Load() {
				to.Close()
			}
			return
		}
		if !s.dead.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

func TestADeadConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	databaseURL := devstack.Database(t, migrate)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	s := newSwallower(t, u.Host)
	u.Host = s.addr
	// Long enough for a statement on a machine that does much else.
	d, err := postgres.Open(u.String(), postgres.Options{StatementTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx := context.Background()
	if _, err := d.InsertEvents(ctx, []event.Record{record("1", "evt_a")}); err != nil {
		t.Fatal(err)
	}
	s.dead.Store(true)
	started := time.Now()
	if _, err := d.InsertEvents(ctx, []event.Record{record("2", "evt_b")}); err == nil {
		t.Fatal("stored, through a connection that swallows everything")
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("given up after %s", took)
	}
	s.dead.Store(false)
	if _, err := d.InsertEvents(ctx, []event.Record{record("3", "evt_c")}); err != nil {
		t.Errorf("on a new connection: %v", err)
	}
}

// A server that accepts and says nothing, as one that hangs: what bounds a
// connection's start is the connect timeout, not a statement's.
func TestConnectingToAHungServerIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := postgres.Open("postgres://nobody:x@"+l.Addr().String()+"/none?sslmode=disable", postgres.Options{
		ConnectTimeout: time.Second, StatementTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	given := make(chan error, 1)
	go func() { given <- d.Ping() }()
	select {
	case err := <-given:
		if err == nil {
			t.Error("connected")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still connecting 20 s after a connect timeout of 1 s")
	}
}

func TestWatchingEndsWithoutAServer(t *testing.T) {
	t.Parallel()
	d := open(t, "postgres://nobody:x@127.0.0.1:1/none")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.WatchConfigs(ctx, func() {}) }()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still watching 10 s after its context ended")
	}
}

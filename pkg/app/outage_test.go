package app_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripetest"
)

// door stands before a Postgres and counts who knocks.
type door struct {
	url    string
	knocks atomic.Int64
}

func newDoor(t *testing.T, databaseURL string) *door {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			d.knocks.Add(1)
			running.Go(func() { pass(client, server) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	u.Host = l.Addr().String()
	d.url = u.String()
	return d
}

// pass forwards until either side has ended.
func pass(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, upstream) // an end like any other
		client.Close()
	})
	_, _ = io.Copy(upstream, client)
	upstream.Close()
	back.Wait()
}

// phase is what a load was answered for a while.
type phase struct {
	accepted, refused, other atomic.Int64
	longest                  atomic.Int64 // nanoseconds
	first                    sync.Once
	up                       chan struct{} // closed by the first 200
}

// load posts one event from many connections, once a second each, until stop is
// closed: as fast as it goes, the time of an answer would be the machine's. What
// begins in one phase and ends in the next counts for neither.
type load struct {
	*product
	current atomic.Pointer[phase]
	stop    chan struct{}
	senders sync.WaitGroup
}

func (l *load) begin() *phase {
	ph := &phase{up: make(chan struct{})}
	l.current.Store(ph)
	return ph
}

func (p *product) load(connections int) *load {
	l := &load{product: p, stop: make(chan struct{})}
	l.begin()
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	p.Cleanup(client.CloseIdleConnections)
	for i := range connections {
		l.senders.Go(func() {
			wait := time.Second * time.Duration(i) / time.Duration(connections)
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(wait):
				}
				wait = time.Second
				l.send(client, stripetest.Sign(p.secrets["a"], e.Body, time.Now()), e.Body)
			}
		})
	}
	return l
}

func (l *load) send(client *http.Client, signature string, body []byte) {
	req, err := http.NewRequest(http.MethodPost, l.base+endpoint, bytes.NewReader(body))
	if err != nil {
		l.Error(err)
		return
	}
	req.Header.Set("Stripe-Signature", signature)
	began, ph := time.Now(), l.current.Load()
	resp, err := client.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
		resp.Body.Close()
	}
	took := int64(time.Since(began))
	if ph != l.current.Load() {
		return
	}
	switch {
	case err == nil && resp.StatusCode == 200:
		ph.accepted.Add(1)
		ph.first.Do(func() { close(ph.up) })
	case err == nil && resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "":
		ph.refused.Add(1)
	default:
		ph.other.Add(1)
	}
	for old := ph.longest.Load(); took > old && !ph.longest.CompareAndSwap(old, took); old = ph.longest.Load() {
	}
}

// With Postgres gone and two hundred connections asking, each is told at once
// to come again, memory stays as it is, and the server is not knocked at as
// often as they ask; soon after it is back deliveries are accepted. Other tests
// share the machine: soon is within 5 s.
func TestPostgresGoneUnderLoad(t *testing.T) {
	t.Parallel()
	const outage, soon = 5 * time.Second, 5 * time.Second
	pg := devstack.OwnPostgres(t)
	front := newDoor(t, pg.URL)
	p := start(t, parts{databaseURL: front.url, noWorker: true})
	l := p.load(200)
	<-l.current.Load().up
	before := heap()
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	knocks, ph := front.knocks.Load(), l.begin()
	<-time.After(outage)
	knocks, grown := front.knocks.Load()-knocks, heap()-before
	accepted, refused, other, longest := ph.accepted.Load(), ph.refused.Load(), ph.other.Load(), time.Duration(ph.longest.Load())
	l.begin() // what is under way when it starts may be accepted
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	started, ph := time.Now(), l.begin()
	<-ph.up
	back := time.Since(started)
	close(l.stop)
	l.senders.Wait()
	t.Logf("in %s: %d refused, the longest after %s; %d knocks; heap %+d KiB; accepted again after %s",
		outage, refused, longest, knocks, grown>>10, back)
	if accepted != 0 || other != 0 || refused < 500 || longest > soon {
		t.Errorf("while it was away: %d accepted, %d refused, %d answered otherwise, the longest after %s", accepted, refused, other, longest)
	}
	// Two pools, each at most every quarter of a second, and a listener.
	if most := 2*int64(outage/(250*time.Millisecond)) + 10; knocks > most || knocks < 4 {
		t.Errorf("%d connections were tried in %s, want 4 to %d", knocks, outage, most)
	}
	if grown > 32<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	if back > soon {
		t.Errorf("the first 200 came %s after the start", back)
	}
}

// Stopped, crashed and started again under the whole product: every order is
// paid once, and no event has lost an attempt to it.
func TestPostgresRestartsUnderTheProduct(t *testing.T) {
	t.Parallel()
	pg := devstack.OwnPostgres(t)
	p := start(t, parts{databaseURL: pg.URL})
	payments := p.newPayments("a", 600)
	events := make(chan int, len(payments))
	for i := range payments {
		events <- i
	}
	close(events)
	bodies := make([]stripetest.Event, len(payments))
	for i, pay := range payments {
		bodies[i] = p.factory.CheckoutCompleted(pay)
	}
	var done atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for i := range events {
				for p.deliver(payments[i], bodies[i]).status != 200 { // as Stripe does, only sooner
					<-time.After(50 * time.Millisecond)
				}
				done.Add(1)
			}
		})
	}
	for i, end := range []func() error{pg.Stop, pg.Kill} {
		p.eventually("some are accepted", func() bool { return done.Load() > int64(100+200*i) })
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := pg.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	senders.Wait()
	p.eventually("the pool of the test is back", func() bool { return p.db.Ping() == nil })
	p.eventually("everything is paid", func() bool {
		return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`) == "600"
	})
	p.eventually("and finished", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if n := p.rows(`status <> 'COMPLETED' OR attempts <> 1`); n != "0" {
		t.Errorf("%s events have failed, or needed more than one attempt", n)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "OrderTransition"`); n != "600" {
		t.Errorf("%s transitions", n)
	}
}

// A database that takes no writes is an outage like any other: 503 as long as
// it lasts, and nothing has failed for it.
func TestPostgresReadOnly(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	admin, err := postgres.Open(p.cfg.DatabaseURL.Reveal()+"&target_session_attrs=any&default_transaction_read_only=off", postgres.Options{Name: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	readOnly := func(value string) {
		t.Helper()
		name := p.scalar(`SELECT quote_ident(current_database())`)
		for _, statement := range []string{
			`ALTER DATABASE ` + name + ` SET default_transaction_read_only = ` + value,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tillhook %'`,
		} {
			if _, err := admin.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	payments := p.newPayments("a", 3)
	e := p.factory.CheckoutCompleted(payments[0])
	p.eventually("accepted before", func() bool { return p.deliver(payments[0], e).status == 200 })
	p.eventually("paid before", func() bool { return p.states(payments[0]) == "PAID / COMPLETED" })
	readOnly("on")
	e = p.factory.CheckoutCompleted(payments[1])
	for range 20 {
		if got := p.deliver(payments[1], e); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	p.eventually("health says so", func() bool { return p.get("/health").status == 503 })
	readOnly("off")
	p.eventually("accepted after", func() bool { return p.deliver(payments[1], e).status == 200 })
	p.eventually("paid after", func() bool { return p.states(payments[1]) == "PAID / COMPLETED" })
	if n := p.rows(`status <> 'COMPLETED'`); n != "0" {
		t.Errorf("%s events are not COMPLETED", n)
	}
}

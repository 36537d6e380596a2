package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tillhook/pkg/order"
)

const o1Pending = `{"id":"o1","status":"PAYMENT_PENDING","totalAmount":2450,"currency":"eur","createdAt":"2026-01-09T22:30:00Z","updatedAt":"2026-01-09T22:30:00Z","paidAt":null,"final":false}`
const o1Paid = `{"id":"o1","status":"PAID","totalAmount":2450,"currency":"eur","createdAt":"2026-01-09T22:30:00Z","updatedAt":"2026-01-09T22:30:00Z","paidAt":"2026-01-09T22:30:00Z","final":true}`

func TestPolling(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	first := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1"))
	tag := first.header.Get("ETag")
	if first.status != 200 || first.body != o1Pending || len(tag) != 22 || first.header.Get("Cache-Control") != "no-cache, private" {
		t.Errorf("%+v", first)
	}
	for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if got := sh.call("GET", "/api/v1/orders/o1", "", sh.token("o1"), "If-None-Match: "+known); got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %+v", known, got)
		}
	}
	sh.world.put("o1", order.Paid)
	got := sh.call("GET", "/api/v1/orders/o1?token="+sh.world.Token("o1"), "", "If-None-Match: "+tag)
	if got.status != 200 || got.body != o1Paid || got.header.Get("ETag") == tag {
		t.Errorf("%+v", got)
	}
	for _, wait := range []string{"31s", "-1s", "x"} {
		if got := sh.call("GET", "/api/v1/orders/o1?wait="+wait, "", sh.token("o1")); got.status != 422 {
			t.Errorf("wait=%s: %+v", wait, got)
		}
	}
	if strings.Contains(sh.logs.String(), "ot_") {
		t.Error("the log has a token:", sh.logs)
	}
}

// Nobody learns which orders there are: a wrong token and no order look alike.
func TestAWrongTokenAndNoOrderAreTheSame(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	type answer struct {
		Status       int
		Body, Header string
	}
	ask := func(method, path string, headers ...string) answer {
		got := sh.call(method, path, "", headers...)
		body := strings.ReplaceAll(got.body, got.header.Get("X-Request-Id"), "ID")
		return answer{got.status, body, got.header.Get("Content-Type") + got.header.Get("ETag")}
	}
	for _, path := range []string{"/api/v1/orders/%/checkout", "/api/v1/orders/%", "/api/v1/orders/%/events"} {
		method := "GET"
		if strings.HasSuffix(path, "checkout") {
			method = "POST"
			sh.world.begin = func(order.CheckoutStart) (order.Checkout, error) { return order.Checkout{}, order.ErrNoOrder }
		}
		at := func(id string) string { return strings.ReplaceAll(path, "%", id) }
		want := ask(method, at("nobody"), sh.token("nobody")) // its token is good: only the database knows
		if want.Status != 404 || !strings.Contains(want.Body, "order-not-found") {
			t.Fatalf("%+v", want)
		}
		for name, got := range map[string]answer{
			"another's token": ask(method, at("o1"), sh.token("o2")), "no token": ask(method, at("o1")),
			"in the address": ask(method, at("o1")+"?token=ot_x"), "other scheme": ask(method, at("o1"), "Authorization: Basic "+sh.world.Token("o1")),
			"too long": ask(method, at("o1"), "Authorization: Bearer "+strings.Repeat("x", 4000)),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got)\n%s", path, name, diff)
			}
		}
	}
}

func TestALongPollEndsWithTheChange(t *testing.T) {
	t.Parallel()
	sh := newShop(t).listen()
	tag := sh.get(t.Context(), "/api/v1/orders/o1", sh.token("o1")).Header.Get("ETag")
	known := "If-None-Match: " + tag
	if got := sh.get(t.Context(), "/api/v1/orders/o1?wait=10ms", sh.token("o1"), known); got.StatusCode != 304 {
		t.Errorf("without a change: %d", got.StatusCode)
	}
	if got := sh.get(t.Context(), "/api/v1/orders/o1?wait=30s", sh.token("o1"), `If-None-Match: "old"`); got.StatusCode != 200 {
		t.Errorf("with another state: %d", got.StatusCode)
	}
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			got := sh.get(t.Context(), "/api/v1/orders/o1?wait=30s", sh.token("o1"), known)
			body, err := io.ReadAll(got.Body)
			if string(body) != o1Paid || got.StatusCode != 200 || err != nil {
				t.Errorf("%d %s %v", got.StatusCode, body, err)
			}
		})
	}
	sh.waitingFor("o1", 3)
	sh.world.tell([]string{"o1"}) // no change at all
	sh.world.change("o1", order.Paid)
	asking.Wait()
	sh.waitingFor("o1", 0)
}

func TestAStreamTellsEachChangeAndEndsWithTheLast(t *testing.T) {
	t.Parallel()
	sh := newShop(t).listen()
	resp := sh.get(t.Context(), "/api/v1/orders/o1/events?token="+sh.world.Token("o1"), "Origin: https://shop.example")
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("%v", resp.Header)
	}
	stream := events{bufio.NewReader(resp.Body)}
	next := func(want map[string]string) map[string]string {
		t.Helper()
		got, err := stream.next()
		if err != nil {
			t.Fatal(err)
		}
		id := got["id"]
		delete(got, "id")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return map[string]string{"id": id}
	}
	next(map[string]string{"retry": "2000"})
	first := next(map[string]string{"event": "order", "data": o1Pending})
	sh.world.change("o1", order.Paid)
	last := next(map[string]string{"event": "order", "data": o1Paid})
	if end, err := stream.next(); end != nil || err != nil {
		t.Errorf("after the last state: %v, %v", end, err)
	}
	if got := sh.get(t.Context(), "/api/v1/orders/o1/events", sh.token("o1"), "Last-Event-ID: "+last["id"]); got.StatusCode != http.StatusNoContent {
		t.Errorf("once more, with the last state known: %d", got.StatusCode)
	}
	// Who comes back knows the state, and is told only of what follows.
	sh.world.put("o1", order.PaymentPending)
	back := events{bufio.NewReader(sh.get(t.Context(), "/api/v1/orders/o1/events", sh.token("o1"), "Last-Event-ID: "+first["id"]).Body)}
	stream = back
	next(map[string]string{"retry": "2000"})
	sh.waitingFor("o1", 1)
	sh.world.change("o1", order.Paid)
	next(map[string]string{"event": "order", "data": o1Paid})
}

// A reader that doesn't fetch what it is sent is dropped, and the others are
// told all the same.
func TestASlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	l := newPipes()
	sh := newShop(t, func(c *Config) { c.WriteTimeout = 200 * time.Millisecond }).run(l)
	open := func() (net.Conn, events) {
		c := l.dial()
		if _, err := io.WriteString(c, "GET /api/v1/orders/o1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+sh.world.Token("o1")+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		e := events{bufio.NewReader(resp.Body)}
		for range 2 {
			if _, err := e.next(); err != nil {
				t.Fatal(err)
			}
		}
		return c, e
	}
	slow, _ := open()
	defer slow.Close()
	other, quick := open()
	defer other.Close()
	sh.waitingFor("o1", 2)
	sh.world.change("o1", "PAYMENT_FAILED")
	if got, err := quick.next(); err != nil || !strings.Contains(got["data"], "PAYMENT_FAILED") {
		t.Errorf("%v, %v", got, err)
	}
	sh.waitingFor("o1", 0) // one has been told all, the other is dropped
	if n := testutil.ToFloat64(sh.Server.metrics.Dropped); n != 1 {
		t.Errorf("%v dropped", n)
	}
}

// pipes is a listener whose connections hold nothing that was not read.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{made: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() net.Conn { here, there := net.Pipe(); p.made <- there; return here }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.made:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func TestAShutdownSendsAwayWhoWaits(t *testing.T) {
	t.Parallel()
	sh := newShop(t).listen()
	tag := sh.get(t.Context(), "/api/v1/orders/o1", sh.token("o1")).Header.Get("ETag")
	stream := events{bufio.NewReader(sh.get(t.Context(), "/api/v1/orders/o1/events", sh.token("o1")).Body)}
	polled := make(chan int, 1)
	go func() {
		polled <- sh.get(context.Background(), "/api/v1/orders/o1?wait=30s", sh.token("o1"), "If-None-Match: "+tag).StatusCode
	}()
	sh.waitingFor("o1", 2)
	began := time.Now()
	sh.stop()
	if got := <-polled; got != 304 {
		t.Errorf("the long poll: %d", got)
	}
	var last map[string]string
	for {
		got, err := stream.next()
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			break
		}
		last = got
	}
	if last["retry"] == "" || last["event"] != "" {
		t.Errorf("the stream's last words: %v", last)
	}
	err := <-sh.ended
	sh.ended <- err
	if took := time.Since(began); took > 5*time.Second || err != nil {
		t.Errorf("it took %s, %v", took, err)
	}
}

// What was missed while nobody listened is read when the connection is back,
// for those who wait and nobody else; what fails is read again.
func TestTheHubReadsWhatItHasMissed(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { sh.hub.run(ctx) })
	defer running.Wait()
	defer stop()
	for _, id := range []string{"o2", "o3"} {
		sh.world.put(id, order.PaymentPending)
	}
	a, b := sh.hub.watch("o1"), sh.hub.watch("o2")
	sh.hub.looked(a)
	sh.hub.looked(b)
	<-sh.world.listening
	sh.world.set(func() { sh.world.fail = errors.New("away") })
	sh.world.put("o1", order.Paid)
	sh.world.tell(nil)
	sh.world.tell([]string{"o3"}) // for which nobody waits
	sh.world.set(func() { sh.world.fail = nil })
	for final := false; !final; {
		final = (<-a.latest).final
	}
	<-b.latest
	sh.hub.leave(b)
	sh.world.change("o1", order.Refunded)
	for told := ""; !strings.Contains(told, "REFUNDED"); {
		told = string((<-a.latest).body)
	}
	sh.world.set(func() {
		last := sh.world.reads[len(sh.world.reads)-1]
		if diff := cmp.Diff([]string{"o1"}, last); diff != "" {
			t.Error("the last read (-want +got)\n", diff)
		}
		for _, ids := range sh.world.reads {
			if strings.Contains(strings.Join(ids, " "), "o3") {
				t.Errorf("read without need: %v", ids)
			}
		}
	})
	sh.hub.leave(a)
	sh.hub.mu.Lock()
	defer sh.hub.mu.Unlock()
	if n := len(sh.hub.waiting) + len(sh.hub.changed); n != 0 {
		t.Errorf("%d are left when nobody waits", n)
	}
}

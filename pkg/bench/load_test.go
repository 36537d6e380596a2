package bench

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loadOf is so many deliveries for a receiver of its own.
func loadOf(t *testing.T, many int, receiver http.HandlerFunc) load {
	t.Helper()
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	all := (&bench{}).deliveries(many)
	sign(all, "whsec_x", target.Host, "/")
	return load{target: target, deliveries: all}
}

// The lead-in of an open loop is sent and answered like all else, and only its
// latencies are left out.
func TestTheLeadInDoesNotCount(t *testing.T) {
	t.Parallel()
	l := loadOf(t, 30, func(http.ResponseWriter, *http.Request) {})
	l.connections, l.rate, l.uncounted = 2, 1000, 20
	out, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{30, 0, 10}, []int{out.acked, out.failed, len(out.latencies)}); diff != "" {
		t.Error("acked, failed, counted (-want +got)\n", diff)
	}
	for lasting, want := range map[time.Duration]time.Duration{20 * time.Millisecond: 20 * time.Millisecond, 5 * time.Second: time.Second} {
		if got := (&bench{o: Options{Lasting: lasting}}).leadIn(); got != want {
			t.Errorf("of %s: %s", lasting, got)
		}
	}
}

// A receiver may close a connection after an answer, or instead of one: each
// delivery is sent once, and has one end.
func TestAnOpenLoopOutlivesItsConnections(t *testing.T) {
	t.Parallel()
	var came atomic.Int64
	l := loadOf(t, 100, func(w http.ResponseWriter, _ *http.Request) {
		switch n := came.Add(1); {
		case n%5 == 0:
			panic(http.ErrAbortHandler)
		case n%3 == 0:
			w.Header().Set("Connection", "close")
		}
	})
	l.connections, l.rate = 2, 2000
	out, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := []int{int(came.Load()), out.sent, out.acked, out.failed, len(out.latencies), len(out.late)}
	if diff := cmp.Diff([]int{100, 100, 80, 20, 80, 100}, got); diff != "" {
		t.Error("came, sent, acked, failed, latencies, lateness (-want +got)\n", diff)
	}
	if out.fault == nil {
		t.Error("nobody says what failed")
	}
}

// A connection can end in the middle of a delivery. Who sends it and who listens
// both hear of that, and it has failed once.
func TestADeliveryThatIsCutOffFailsOnce(t *testing.T) {
	t.Parallel()
	l := loadOf(t, 2, func(http.ResponseWriter, *http.Request) {})
	l.rate = 1000
	near, far := net.Pipe()
	go func() {
		_, _ = far.Read(make([]byte, 10))
		far.Close()
	}()
	lanes := []lane{{conn: conn{target: l.target, net: near, reader: bufio.NewReader(near)}}}
	sent := l.pace(t.Context(), lanes, time.Now())
	if diff := cmp.Diff([]int{2, 1, 1}, []int{sent, lanes[0].acked, lanes[0].failed}); diff != "" {
		t.Error("sent, acked, failed (-want +got)\n", diff)
	}
}

// A receiver that stalls is charged for everyone who would have come meanwhile.
func TestAnOpenLoopChargesForAStall(t *testing.T) {
	t.Parallel()
	const stall = 100 * time.Millisecond
	var came atomic.Int64
	l := loadOf(t, 20, func(http.ResponseWriter, *http.Request) {
		if came.Add(1) == 1 {
			time.Sleep(stall) // which is what is measured
		}
	})
	l.connections, l.rate = 1, 1000
	out, err := l.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if least := out.latencies[0]; len(out.latencies) != 20 || least < stall-20*time.Millisecond {
		t.Errorf("%d latencies, the least %s: all were due while the first was not answered", len(out.latencies), least)
	}
}

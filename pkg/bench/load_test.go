package bench

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The lead-in of an open loop is sent and answered like all else, and only its
// latencies are left out.
func TestTheLeadInDoesNotCount(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{o: Options{Lasting: 20 * time.Millisecond}}
	all := b.deliveries(30)
	sign(all, "whsec_x", target.Host, "/")
	out, err := load{target: target, connections: 2, rate: 1000, deliveries: all, uncounted: 20}.send(t.Context())
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

package app_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is what a collector was told: by trace, then by the step's name, the
// service and the name of the step above.
type spans struct {
	mu     sync.Mutex
	names  map[string]string            // of a step's id
	traces map[string]map[string]string // step: its parent's id
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := resource.Resource.Attributes[0].Value.GetStringValue()
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				id := hex.EncodeToString(span.TraceId)
				if s.traces[id] == nil {
					s.traces[id] = map[string]string{}
				}
				s.names[hex.EncodeToString(span.SpanId)] = span.Name
				s.traces[id][service+": "+span.Name] = hex.EncodeToString(span.ParentSpanId)
			}
		}
	}
}

// whole are the traces, each step with the name of the one above.
func (s *spans) whole() (all []map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, steps := range s.traces {
		named := map[string]string{}
		for step, parent := range steps {
			named[step] = s.names[parent]
		}
		all = append(all, named)
	}
	return all
}

// One trace leads from the POST through the task to the order's commit.
func TestOneTraceFromThePostToTheCommit(t *testing.T) {
	t.Parallel()
	s := &spans{names: map[string]string{}, traces: map[string]map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p := start(t, parts{env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL}})
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	want := []map[string]string{{
		"tillhook-ingest: delivery": "", "tillhook-ingest: verify": "delivery", "tillhook-ingest: commit delivery": "delivery",
		"tillhook-worker: event": "delivery", "tillhook-worker: settle batch": "event",
	}}
	// Spans are sent every five seconds.
	p.eventually("the whole trace is there", func() bool { return len(s.whole()) > 0 && len(s.whole()[0]) == len(want[0]) })
	if diff := cmp.Diff(want, s.whole()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// A collector that is away costs the product nothing.
func TestTracesAreNoReasonToFail(t *testing.T) {
	t.Parallel()
	p := start(t, parts{env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}})
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	p.eventually("it is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
}

package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// silent is a ResponseWriter that costs nothing.
type silent struct {
	header http.Header
	status int
}

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }
func (s *silent) WriteHeader(status int)      { s.status = status }

// rereadable is a request's body.
type rereadable struct{ *bytes.Reader }

func (rereadable) Close() error { return nil }

// nowhere stores nothing: to it every event is an old one, of which there is no
// task either.
type nowhere struct{}

func (nowhere) InsertEvents(_ context.Context, records []event.Record) ([]bool, error) {
	return make([]bool, len(records)), nil
}

// BenchmarkReceive is the receiver's own share of a delivery: routing, reading,
// choosing the secret, the hand-over to the writer and the answer. The
// signature, the scan and the database are fakes that cost next to nothing.
func BenchmarkReceive(b *testing.B) {
	env := event.Envelope{ID: "evt_1", Type: "charge.succeeded", Created: epoch, Hints: event.Hints{RestaurantID: "a"}}
	payload, err := json.Marshal(env)
	if err != nil {
		b.Fatal(err)
	}
	payload = append(payload, bytes.Repeat([]byte(" "), 3000)...)
	scan := format
	scan.Scan = func([]byte) (event.Envelope, error) { return env, nil }
	d := NewDirectory(&world{configs: []event.Config{restaurant("a"), restaurant("b")}}, vault{}, slog.New(slog.DiscardHandler))
	if err := d.Reload(b.Context()); err != nil {
		b.Fatal(err)
	}
	r := &receiver{Server: NewServer(Config{
		Format: scan, Store: nowhere{}, Directory: d, Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler),
	})}
	r.work(b)
	reader := bytes.NewReader(payload)
	req := httptest.NewRequest(http.MethodPost, hook, nil)
	req.Header.Set("Stripe-Signature", "whsec_a")
	req.ContentLength, req.Body = int64(len(payload)), rereadable{reader}
	w := &silent{header: http.Header{}}
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(payload)
		r.http.Handler.ServeHTTP(w, req)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

func TestMain(m *testing.M) {
	// The cache with expiring entries has no end: its sweeper lives as long as
	// the process, of which there is one receiver.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/golang-lru/v2/expirable.NewLRU[...].func1"))
}

var epoch = time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC)

// plainSignature is a header that is the secret itself, or says what is wrong.
type plainSignature string

func (s plainSignature) CheckTime(time.Time) error {
	if s == "stale" {
		return errors.New("the signature is too old")
	}
	return nil
}

func (s plainSignature) Match(secret string, _ []byte) bool { return string(s) == secret }

// format reads bodies that are the JSON of an event.Envelope.
var format = Format{
	ParseSignature: func(header string) (Signature, error) {
		if header == "" || header == "malformed" {
			return nil, errors.New("the signature header is malformed")
		}
		return plainSignature(header), nil
	},
	Scan: func(body []byte) (env event.Envelope, err error) { return env, json.Unmarshal(body, &env) },
}

// world is everything around the receiver.
type world struct {
	mu sync.Mutex

	configs []event.Config
	sealed  []string // "config fingerprint sealed" of each SealSecret

	insert  func(records []event.Record) ([]bool, error) // default: all are new
	rows    []event.Record
	enqueue func() error // default: taken
	tasks   []string

	orders  map[string]string
	objects map[string][]string
	lookups int
	lookErr error
	readErr error
}

func (w *world) Configs(context.Context) ([]event.Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.configs, w.readErr
}

func (w *world) WatchConfigs(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

func (w *world) SealSecret(_ context.Context, configID, fingerprint, sealed string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = append(w.sealed, configID+" "+fingerprint+" "+sealed)
	return nil
}

func (w *world) InsertEvents(_ context.Context, records []event.Record) ([]bool, error) {
	w.mu.Lock()
	insert := w.insert
	w.mu.Unlock()
	news := make([]bool, len(records))
	for i := range news {
		news[i] = true
	}
	if insert != nil {
		var err error
		if news, err = insert(records); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = append(w.rows, records...)
	return news, nil
}

func (w *world) EnqueueAll(_ context.Context, records []event.Record) error {
	if w.enqueue != nil {
		if err := w.enqueue(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		w.tasks = append(w.tasks, r.ID+" "+r.Type)
	}
	return nil
}

func (w *world) RestaurantOfOrder(_ context.Context, orderID string) (string, error) {
	w.lookups++
	return w.orders[orderID], w.lookErr
}

func (w *world) RestaurantsOfObjects(_ context.Context, objectIDs []string) ([]string, error) {
	w.lookups++
	var all []string
	for _, id := range objectIDs {
		all = append(all, w.objects[id]...)
	}
	return all, w.lookErr
}

func (w *world) WebhookHealth(context.Context) (event.Health, error) { return event.Health{}, nil }

// vault seals as "sealed:" + row + ":" + plain.
type vault struct{}

func (vault) Open(stored, rowID string) (string, error) {
	if plain, ok := strings.CutPrefix(stored, "sealed:"+rowID+":"); ok {
		return plain, nil
	}
	if strings.HasPrefix(stored, "whsec_") {
		return stored, nil
	}
	return "", errors.New("no key opens the stored secret")
}

func (vault) Seal(plain, rowID string) (string, error) { return "sealed:" + rowID + ":" + plain, nil }
func (vault) Plain(stored string) bool                 { return strings.HasPrefix(stored, "whsec_") }
func (vault) Fingerprint(plain string) string          { return "print of " + plain }

// restaurant is one with a sealed secret "whsec_" + id.
func restaurant(id string) event.Config {
	return event.Config{RestaurantID: id, Slug: "slug-" + id, ID: "c-" + id, Secret: "sealed:c-" + id + ":whsec_" + id}
}

// receiver is a Server whose routes are called directly.
type receiver struct {
	*Server
	world   *world
	used    *useStore
	metrics *telemetry.Metrics
}

// newReceiver has read w's configurations, and its writer and examiner work
// until the test ends, unless idle.
func newReceiver(t testing.TB, w *world, idle bool) *receiver {
	t.Helper()
	r := &receiver{world: w, used: &useStore{}, metrics: telemetry.NewMetrics()}
	log := slog.New(slog.DiscardHandler)
	d := NewDirectory(w, vault{}, log)
	d.now = func() time.Time { return epoch }
	r.Server = NewServer(Config{
		Format: format, Store: w, Queue: w, Directory: d, Lookup: w, Health: w, Uses: r.used,
		Ready:   func(context.Context) bool { return d.Ready() == nil },
		Metrics: r.metrics, Log: log, Now: func() time.Time { return epoch },
	})
	if w.configs != nil {
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !idle {
		r.work(t)
	}
	return r
}

// work runs the writer and the examiner until the test ends.
func (r *receiver) work(t testing.TB) {
	var running sync.WaitGroup
	running.Go(func() { r.examiner.run(context.Background()) })
	running.Go(func() { r.writer.run(context.Background()) })
	t.Cleanup(func() {
		r.examiner.close()
		r.writer.close()
		running.Wait()
	})
}

// reply is an answer without the time of day.
type reply struct {
	Status           int
	Body, RetryAfter string
}

const (
	hook    = "/api/v1/webhooks/stripe"
	refused = `{"error":"Webhook signature verification failed"}`
	again   = `{"error":"Temporarily unavailable, please deliver again"}`
)

func (r *receiver) post(path, signature string, env event.Envelope) reply {
	body, err := json.Marshal(env)
	if err != nil {
		panic(err)
	}
	return answerOf(r.send(path, signature, body))
}

func (r *receiver) send(path, signature string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	req.Header.Set("Stripe-Signature", signature)
	rec := httptest.NewRecorder()
	r.http.Handler.ServeHTTP(rec, req)
	return rec
}

func answerOf(rec *httptest.ResponseRecorder) reply {
	return reply{rec.Code, strings.TrimSpace(rec.Body.String()), rec.Header().Get("Retry-After")}
}

func envelope(id string) event.Envelope {
	return event.Envelope{ID: id, Type: "charge.succeeded", Created: epoch}
}

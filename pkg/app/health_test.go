package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/health"
)

// privately reads from a process's private address, "" while it isn't there.
func (p *product) privately(port, path string) (status int, body string) {
	resp, err := p.client.Get("http://127.0.0.1:" + port + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(text)
}

// checked is the word of each check, and of all of them.
func (p *product) checked(port string) map[string]string {
	p.Helper()
	status, body := p.privately(port, "/readyz")
	var r health.Report
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return map[string]string{"status": err.Error()}
	}
	words := map[string]string{"status": fmt.Sprintf("%d %s", status, r.Status)}
	for name, c := range r.Checks {
		words[name] = "ok"
		if !c.OK {
			words[name] = "fails"
		}
	}
	return words
}

// Ingest accepts without Redis, and says so; a worker can't work without it.
// Neither tells the public why.
func TestReadinessWhenAServiceGoes(t *testing.T) {
	t.Parallel()
	redis, pg := devstack.RealRedis(t), devstack.OwnPostgres(t)
	p := prepare(t, parts{redisURL: redis.URL, databaseURL: pg.URL})
	public, private, fleet := freePort(t), freePort(t), freePort(t)
	p.launch("ingest", "PORT="+public, "METRICS_ADDR=127.0.0.1:"+private)
	p.launch("worker", "METRICS_ADDR=127.0.0.1:"+fleet)
	p.base = "http://127.0.0.1:" + public
	becomes := func(when, ingest string, want map[string]string, worker map[string]string) {
		t.Helper()
		p.eventually(when, func() bool {
			return cmp.Equal(want, p.checked(private)) && cmp.Equal(worker, p.checked(fleet))
		})
		for _, path := range []string{"/readyz", "/health"} {
			if got := p.get(path); fmt.Sprint(got.status, " ", got.body) != ingest {
				t.Errorf("%s, %s: %d %s", when, path, got.status, got.body)
			}
		}
		for _, port := range []string{public, private, fleet} {
			if status, body := p.privately(port, "/livez"); status != http.StatusOK {
				t.Errorf("%s: livez %d %s", when, status, body)
			}
		}
	}
	const ready, unready = `200 {"status":"ok"}`, `503 {"status":"unavailable"}`
	becomes("all is well", ready,
		map[string]string{"status": "200 ok", "postgres": "ok", "schema": "ok", "configurations": "ok", "redis": "ok"},
		map[string]string{"status": "200 ok", "postgres": "ok", "schema": "ok", "redis": "ok"})
	if err := redis.Stop(); err != nil {
		t.Fatal(err)
	}
	becomes("Redis is away", ready,
		map[string]string{"status": "200 degraded", "postgres": "ok", "schema": "ok", "configurations": "ok", "redis": "fails"},
		map[string]string{"status": "503 unavailable", "postgres": "ok", "schema": "ok", "redis": "fails"})
	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	becomes("Postgres is away", unready,
		map[string]string{"status": "503 unavailable", "postgres": "fails", "schema": "fails", "configurations": "ok", "redis": "ok"},
		map[string]string{"status": "503 unavailable", "postgres": "fails", "schema": "fails", "redis": "ok"})
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.eventually("both are back", func() bool {
		return p.get("/readyz").status == 200 && p.checked(fleet)["status"] == "200 ok"
	})
}

// The contract's answer is there within ten milliseconds, also while Postgres
// is away.
func TestWebhookHealthIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var got struct {
		Stripe map[string]any `json:"stripe"`
	}
	p.eventually("it knows of a success", func() bool {
		a := p.get("/api/health/webhooks")
		return a.status == 200 && json.Unmarshal([]byte(a.body), &got) == nil && got.Stripe["lastSuccessfulWebhook"] != nil
	})
	if at, err := time.Parse(time.RFC3339, got.Stripe["lastSuccessfulWebhook"].(string)); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("%v, %v", got, err)
	}
	got.Stripe["lastSuccessfulWebhook"] = "some time"
	want := map[string]any{"configured": true, "lastSuccessfulWebhook": "some time", "recentFailures": 0.0}
	if diff := cmp.Diff(want, got.Stripe); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	fastest := time.Hour // of many: other tests share the machine
	for range 100 {
		started := time.Now()
		p.get("/api/health/webhooks")
		fastest = min(fastest, time.Since(started))
	}
	if fastest > 10*time.Millisecond {
		t.Errorf("%s", fastest)
	}
}

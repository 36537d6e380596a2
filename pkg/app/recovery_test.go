package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/app"
	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// worker runs one more worker until stop, and counts what it recovers.
func (p *product) worker() (m *telemetry.Metrics, stop func()) {
	m = telemetry.NewMetrics()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.RunWorker(ctx, p.cfg, slog.New(slog.NewJSONHandler(p.logs, nil)), m) }()
	return m, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.Errorf("worker: %v", err)
		}
	})
}

func recovered(t testing.TB, m *telemetry.Metrics) int {
	t.Helper()
	var c dto.Metric
	if err := m.Recovered.Write(&c); err != nil {
		t.Fatal(err)
	}
	return int(c.Counter.GetValue())
}

// stored puts n events into Postgres, as ingest does, and into no queue. Every
// tenth is a payment's, the others say nothing of one, but wait in the same
// queue.
func (p *product) stored(n int) {
	p.Helper()
	const size = 1000
	for at := 0; at < n; at += size {
		pays := p.newPayments("a", size/10)
		records := make([]event.Record, min(size, n-at))
		for i := range records {
			pay := pays[i/10]
			e := p.factory.Other(pay, "payment_intent.created")
			if i%10 == 0 {
				e = p.factory.CheckoutCompleted(pay)
			}
			records[i] = event.Record{
				ID: fmt.Sprintf("stored-%07d", at+i), ProviderEventID: e.ID, Type: e.Type, Status: event.Processing,
				RestaurantID: "a", Payload: e.Body, OccurredAt: time.Now().Truncate(time.Second), SignedWith: event.SignedCurrent,
			}
		}
		if _, err := p.db.InsertEvents(context.Background(), records); err != nil {
			p.Fatal(err)
		}
	}
}

// Redis is emptied while 20,000 events wait in it: two workers share what is to
// be recovered, all of it is worked off, and who pays meanwhile does not wait
// for it. TILLHOOK_RECOVER_EVENTS=100000 for more.
func TestRedisEmptiedWithManyEventsUnfinished(t *testing.T) {
	t.Parallel()
	events := 20_000
	if more, err := strconv.Atoi(os.Getenv("TILLHOOK_RECOVER_EVENTS")); err == nil {
		events = more
	}
	redis := devstack.RealRedis(t)
	p := start(t, parts{redisURL: redis.URL, noWorker: true, env: []string{"RECOVER_AFTER=1s"}})
	p.stored(events)
	// The server comes back empty: nothing of what was queued is left.
	if err := redis.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	first, stopFirst := p.worker()
	defer stopFirst()
	second, stopSecond := p.worker()
	defer stopSecond()
	newcomers := p.newPayments("b", 60)
	p.eventually("recovery is under way", func() bool { return recovered(t, first) > 0 && recovered(t, second) > 0 })
	for _, pay := range newcomers {
		if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if n := p.count(`status = 'PROCESSING' AND "restaurantId" = 'a'`); n == 0 {
		t.Error("everything was over before somebody else paid")
	}
	p.eventually("every event is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	took := time.Since(started)

	shares := []int{recovered(t, first), recovered(t, second)}
	if all := shares[0] + shares[1]; all < events || all > events+events/10 || min(shares[0], shares[1]) < events/10 {
		t.Errorf("the workers have recovered %v of %d events", shares, events)
	}
	if got, want := p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`), fmt.Sprint(events/10+len(newcomers)); got != want {
		t.Errorf("%s orders are paid, want %s", got, want)
	}
	var median, worst float64
	if err := p.db.QueryRow(`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s), max(s) FROM (
		SELECT extract(epoch FROM "processedAt" - "createdAt")::float8 AS s FROM "WebhookEvent" WHERE "restaurantId" = 'b') AS x`).Scan(&median, &worst); err != nil {
		t.Fatal(err)
	}
	if median > took.Seconds()/2 {
		t.Errorf("who paid meanwhile has waited for %.1f s, of %s", median, took)
	}
	t.Logf("%d events in %s (%.0f/s), recovered by each: %v; who paid meanwhile waited for %.0f ms, %.0f ms at the most",
		events, took.Round(time.Millisecond), float64(events)/took.Seconds(), shares, median*1000, worst*1000)
}

// The whole product where Redis is a Cluster, which loses its data, too.
func TestTheProductOnARedisCluster(t *testing.T) {
	t.Parallel()
	servers := devstack.RedisCluster(t)
	p := start(t, parts{redisURL: servers.URL})
	pays := p.newPayments("a", 40)
	for _, pay := range pays[:20] {
		p.deliver(pay, p.factory.CheckoutCompleted(pay))
	}
	p.stored(200)
	servers.Empty(t)
	for _, pay := range pays[20:] {
		p.deliver(pay, p.factory.CheckoutCompleted(pay))
	}
	p.eventually("everything is paid", func() bool {
		return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`) == "60"
	})
}

// Sentinels name a new master: events that come in the meantime are kept, and
// nobody is started again.
func TestTheProductSurvivesAFailover(t *testing.T) {
	t.Parallel()
	servers := devstack.RedisSentinels(t)
	p := start(t, parts{redisURL: servers.URL})
	paid := func(n string) func() bool {
		return func() bool { return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`) == n }
	}
	pays := p.newPayments("a", 30)
	deliver := func(from, to int) {
		for _, pay := range pays[from:to] {
			if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
	}
	deliver(0, 10)
	p.eventually("the first are paid", paid("10"))
	servers.Crash(t)
	deliver(10, 30)
	p.eventually("all are paid", paid("30"))
}

package app_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/devstack"
	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

// Signed events go in by HTTP, orders become PAID in Postgres: every story,
// shuffled and repeated, ends where it must, with the money that it must.
func TestEveryStoryEndsWhereItMust(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	want, got := map[string]string{}, map[string]string{}
	var all []stripetest.Payment
	var deliveries sync.WaitGroup
	expect := func(l stripetest.Lifecycle, pay stripetest.Payment, status order.PaymentStatus, hundredths int64) {
		all = append(all, pay)
		want[pay.PaymentID] = fmt.Sprintf("%s: %s / %s, %d back", l.Name, l.Order, status, stripetest.Back(pay, hundredths))
		got[pay.PaymentID] = l.Name + ": "
	}
	for _, l := range stripetest.Lifecycles() {
		for _, pay := range append(p.newPayments("a", 2), p.newPayments("b", 1)...) {
			expect(l, pay, l.Payment, l.Refunded)
			events := l.Events(p.factory, pay)
			if second := l.Second; second != nil {
				again := p.secondPayment(pay)
				expect(l, again, second.Payment, second.Refunded)
				events = append(events, second.Events(p.factory, again)...)
			}
			events = p.factory.Shuffle(p.factory.Duplicate(events))
			deliveries.Go(func() {
				for _, e := range events {
					if got := p.deliver(pay, e); got.status != 200 {
						t.Errorf("%s: %d %s", e.Type, got.status, got.body)
					}
				}
			})
		}
	}
	deliveries.Wait()
	p.eventually("every event is worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	for _, pay := range all {
		got[pay.PaymentID] += p.states(pay) + p.scalar(`SELECT ', ' || "amountRefunded" || ' back' FROM "Payment" WHERE id = $1`, pay.PaymentID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := p.rows(`status <> 'COMPLETED' OR attempts < 1 OR "processedAt" IS NULL`); n != "0" {
		t.Errorf("%s events are not COMPLETED as they should be", n)
	}
}

// 10,000 events from 64 connections: nothing refused, nothing lost, nothing
// doubled, and many rows to a commit.
func TestTenThousandEventsAtSixtyFourConnections(t *testing.T) {
	t.Parallel()
	const events, connections = 10_000, 64
	p := start(t, parts{})
	type delivery struct {
		pay   stripetest.Payment
		event stripetest.Event
	}
	queue := make(chan delivery, events)
	payments := p.newPayments("a", events/2)
	for i, pay := range payments { // two events each
		if i%10 == 9 {
			queue <- delivery{pay, p.factory.CheckoutExpired(pay)}
			queue <- delivery{pay, p.factory.ChargeFailed(pay)}
			continue
		}
		queue <- delivery{pay, p.factory.ChargeSucceeded(pay)}
		queue <- delivery{pay, p.factory.CheckoutCompleted(pay)}
	}
	close(queue)
	started := time.Now()
	var refused atomic.Int64
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			for d := range queue {
				if got := p.deliver(d.pay, d.event); got.status != 200 {
					refused.Add(1)
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	senders.Wait()
	acked := time.Since(started)
	if n := p.rows("true"); n != fmt.Sprint(events) || refused.Load() != 0 {
		t.Fatalf("%s rows, %d refused", n, refused.Load())
	}
	p.eventually("all are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	done := time.Since(started)
	got := p.scalar(`SELECT string_agg(s, '; ' ORDER BY s) FROM (SELECT o.status || ' / ' || p.status || ' ' || count(*) AS s
		FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id GROUP BY o.status, p.status) x`)
	if want := "EXPIRED / EXPIRED 500; PAID / COMPLETED 4500"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "OrderTransition" WHERE "orderFrom" <> "orderTo"`); n != "5000" {
		t.Errorf("%s changes of orders, want one for each of 5000", n)
	}
	rows := rowsPerCommit(p)
	if rows <= 8 {
		t.Errorf("%.1f rows per commit", rows)
	}
	t.Logf("%d acked in %s (%.0f/s), worked off after %s, %.1f rows per commit", events, acked, events/acked.Seconds(), done, rows)
}

func rowsPerCommit(p *product) float64 {
	p.Helper()
	var m dto.Metric
	if err := p.metrics.CommitRows.Write(&m); err != nil {
		p.Fatal(err)
	}
	return m.Histogram.GetSampleSum() / float64(m.Histogram.GetSampleCount())
}

// Redis is a hurry, Postgres is the truth.
func TestRedisAwayWhileEventsComeIn(t *testing.T) {
	t.Parallel()
	redis := devstack.RealRedis(t)
	p := start(t, parts{redisURL: redis.URL})
	payments := p.newPayments("a", 60)
	pay := func(some []stripetest.Payment) {
		for _, pay := range some {
			if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
	}
	pay(payments[:20])
	if err := redis.Stop(); err != nil {
		t.Fatal(err)
	}
	pay(payments[20:40])
	if n := p.count(`status = 'PROCESSING'`); n < 20 {
		t.Fatalf("%d events wait, at least 20 came while Redis was away", n)
	}
	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pay(payments[40:])
	p.eventually("everything is paid", func() bool {
		return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`) == "60"
	})
	if n := p.scalar(`SELECT count(*)::text FROM "OrderTransition"`); n != "60" {
		t.Errorf("%s transitions, want 60", n)
	}
}

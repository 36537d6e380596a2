package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"tillhook/pkg/stripetest"
)

// Events overtake the transaction that stores their payment. They wait, and go
// on the moment that it is there, however long their backoff has become.
func TestWaitingEventsGoOnWhenTheirPaymentAppears(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	byMetadata := p.factory.Payment("a", "order-late", "payment-late", 2500, "eur")
	bySession := p.factory.Payment("a", "order-other", "payment-other", 2500, "eur")
	bySession.NoMetadata = true
	for pay, e := range map[*stripetest.Payment]stripetest.Event{
		&byMetadata: p.factory.ChargeSucceeded(byMetadata), &bySession: p.factory.CheckoutCompleted(bySession),
	} {
		if got := p.post(endpoint+"/slug-a", stripetest.Sign(p.secrets["a"], e.Body, time.Now()), e.Body); got.status != 200 {
			t.Fatalf("%s: %d %s", pay.OrderID, got.status, got.body)
		}
	}
	// After the first attempts the backoff is longer than this test waits.
	p.eventually("both wait", func() bool {
		return p.scalar(`SELECT count(DISTINCT "eventId")::text FROM "WaitingEvent"`) == "2"
	})
	p.retryInAnHour("critical", 2)
	for _, statement := range []string{
		`INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('order-late', 'a', 2500, 'eur'), ('order-other', 'a', 2500, 'eur')`,
		`INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('payment-late', 'order-late', 2500, 'eur')`,
		`INSERT INTO "Payment" (id, "orderId", amount, currency) VALUES ('payment-other', 'order-other', 2500, 'eur')`,
		`UPDATE "Payment" SET "providerPaymentId" = '` + bySession.Session + `' WHERE id = 'payment-other'`,
	} {
		if _, err := p.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, pay := range []stripetest.Payment{byMetadata, bySession} {
		p.eventually(pay.OrderID+" is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	}
	p.eventually("nothing waits any more", func() bool { return p.scalar(`SELECT count(*)::text FROM "WaitingEvent"`) == "0" })
}

// retryInAnHour lets n tasks of a queue have failed so often that their next
// attempt is far off.
func (p *product) retryInAnHour(queue string, n int64) {
	p.Helper()
	options, err := redis.ParseURL(p.cfg.RedisURL.Reveal())
	if err != nil {
		p.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	key, later := "asynq:{"+queue+"}:retry", float64(time.Now().Add(time.Hour).Unix())
	p.eventually("the tasks have their next attempt in an hour", func() bool {
		ids, err := client.ZRange(p.Context(), key, 0, -1).Result()
		if err != nil {
			p.Fatal(err)
		}
		for _, id := range ids {
			if err := client.ZAddXX(p.Context(), key, redis.Z{Score: later, Member: id}).Err(); err != nil {
				p.Fatal(err)
			}
		}
		far, err := client.ZCount(p.Context(), key, fmt.Sprint(int64(later)-60), "+inf").Result()
		return err == nil && far == n
	})
}

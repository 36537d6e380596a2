package app_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/stripetest"
)

// However many thin events of one restaurant wait for Stripe, the customers of
// another wait for none of them; and none is lost.
func TestThinEventsKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	const tasks = 32
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0", "WORKER_CONCURRENCY="+strconv.Itoa(tasks))
	p.giveKey(restaurantKey)
	slow := make(chan struct{})
	there.Hold(slow)
	thins, hers := p.newPayments("a", tasks), p.newPayments("b", 2)
	for _, pay := range thins {
		there.Put(restaurantKey, p.factory.ChargeSucceeded(pay))
		e := p.factory.ThinEvent("v1.charge.succeeded", "charge", pay.Charge)
		if got := p.post(endpoint+"/slug-a", stripetest.Sign(p.secrets["a"], e.Body, time.Now()), e.Body); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	p.eventually("each has been taken by the fleet", func() bool {
		return strings.Count(p.logs.String(), "as many thin events as may be")+len(there.Requests("")) >= len(thins)
	})
	for _, pay := range hers {
		if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
			t.Fatal(got)
		}
		p.eventually("hers is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	}
	if n := len(there.Requests("")); n >= tasks/2 {
		t.Errorf("%d of %d tasks wait for Stripe", n, tasks)
	}
	close(slow)
	p.eventually("all are paid", func() bool { return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status <> 'PAID'`) == "0" })
	if got := p.scalar(`SELECT count(*)::text FROM "WebhookEvent" WHERE status = 'FAILED'`); got != "0" {
		t.Errorf("%s FAILED", got)
	}
	p.auditIsClean()
}

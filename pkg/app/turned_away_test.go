package app_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// A thin event that Stripe answers with 429 for ever loses no attempt by it, and so
// is never FAILED. It counts as backlog meanwhile: the alert fires, and doctor and
// the log say what it waits for.
func TestAnEventThatStripeTurnsAwayForEverIsSeen(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	p.giveKey(restaurantKey)
	there.Fail(10_000, 429, "0")
	pay := p.newPayments("a", 1)[0]
	there.Put(restaurantKey, p.factory.ChargeSucceeded(pay))
	thin := p.factory.ThinEvent("v1.charge.succeeded", "charge", pay.Charge)
	if got := p.deliver(pay, thin); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	attempts := func() int { return strings.Count(p.logs.String(), "too many requests, says Stripe") }
	p.eventually("it was tried again and again", func() bool { return attempts() >= 3 })
	if strings.Count(p.logs.String(), `"attempt":1,`) < 3 || strings.Contains(p.logs.String(), `"attempt":2,`) {
		t.Error("an attempt was used up")
	}
	limit := regexp.MustCompile(`max\(tillhook_backlog_age_seconds\) > (\d+)`).FindStringSubmatch(readDeploy(t, "prometheus/rules.yml"))
	if limit == nil {
		t.Fatal("the alert BacklogOld looks at something else")
	}
	seconds, _ := strconv.ParseFloat(limit[1], 64)
	if _, err := p.db.Exec(`UPDATE "WebhookEvent" SET "createdAt" = now() - make_interval(secs => $1)`, seconds+60); err != nil {
		t.Fatal(err)
	}
	state, err := p.db.State(t.Context())
	if err != nil || state.BacklogAge().Seconds() <= seconds || state.Failed != 0 || state.Waiting != 0 {
		t.Errorf("%v, the alert sees %+v", err, state)
	}
	before := attempts()
	p.eventually("it is tried still", func() bool { return attempts() > before })
	if n := p.rows(`status = 'PROCESSING' AND "eventType" = 'v1.charge.succeeded'`); n != "1" {
		t.Errorf("%s are unfinished", n)
	}
	out, err := p.ops("", "doctor")
	if flat := strings.Join(strings.Fields(out), " "); app.ExitCode(err) != 1 || !strings.Contains(flat, "an event waits for 6 min to be worked off") ||
		!strings.Contains(flat, "one of type v1.… may wait for Stripe, which the worker's log says") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = p.ops("", "events", "list", "--status", "PROCESSING", "--until", "5m")
	if err != nil || !strings.Contains(out, thin.ID) {
		t.Errorf("%v\n%s", err, out)
	}
	// Nothing is lost when Stripe is at peace again.
	there.Calm()
	p.eventually("the order is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
}

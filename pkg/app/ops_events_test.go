package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/postgres"
)

// An order that was made with the wrong amount: the operator finds the event,
// reads the order's story, mends the amount, and replays.
func TestOpsReplayMendsAFailedEvent(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pays := p.newPayments("a", 3)
	wrong := pays[0]
	wrong.Amount = 9900
	failed, fine := p.factory.CheckoutCompleted(wrong), p.factory.CheckoutCompleted(pays[1])
	p.deliver(wrong, failed)
	p.deliver(pays[1], fine)
	p.deliver(pays[2], p.factory.Other(pays[2], "customer.created"))
	p.eventually("all are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	id := p.scalar(`SELECT id FROM "WebhookEvent" WHERE status = 'FAILED'`)

	contains := func(out string, err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err != nil || !strings.Contains(out, w) {
				t.Errorf("%v, want %q in:\n%s", err, w, out)
			}
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 && !strings.Contains(line, `"`) {
				t.Errorf("a line of %d characters: %s", n, line)
			}
		}
	}
	out, err := p.ops("", "events", "list", "--status", "failed", "--restaurant", "slug-a", "--since", "1h")
	contains(out, err, "FAILED", "checkout.session.completed", failed.ID, "of slug-a: amount or currency is not what the order asked for")
	if strings.Contains(out, fine.ID) {
		t.Errorf("the list of FAILED holds a COMPLETED one:\n%s", out)
	}
	out, err = p.ops("", "events", "list", "--order", pays[1].OrderID, "--type", "checkout.*")
	contains(out, err, "applied", fine.ID)
	out, err = p.ops("", "events", "list", fine.ID)
	contains(out, err, fine.ID)
	if strings.Contains(out, failed.ID) {
		t.Errorf("the list of one event holds another:\n%s", out)
	}
	out, err = p.ops("", "events", "show", failed.ID, "--payload")
	contains(out, err, "amount or currency is not what the order asked for", `"amount_total": 9900`, "the current secret")
	out, err = p.ops("", "orders", "review")
	contains(out, err, wrong.OrderID+" of slug-a, PAYMENT_PENDING", wrong.PaymentID+": REVIEW, asked for 25.00 EUR", "asked for: 99.00 EUR")
	out, err = p.ops("", "orders", "show", wrong.OrderID)
	contains(out, err, "PAYMENT_PENDING", "REVIEW", "25.00 EUR", "payment PENDING → REVIEW", failed.ID)

	out, err = p.ops("", "events", "replay", failed.ID)
	contains(out, err, "Would replay 1 event", failed.ID, "add --commit")
	if got := p.scalar(`SELECT status FROM "WebhookEvent" WHERE id = $1`, id); got != "FAILED" {
		t.Errorf("the preview has made it %s", got)
	}
	if _, err := p.db.Exec(`UPDATE "Payment" SET amount = 9900 WHERE id = $1`, wrong.PaymentID); err != nil {
		t.Fatal(err)
	}
	out, err = p.ops("", "events", "replay", "--status", "FAILED", "--commit")
	contains(out, err, "Replayed 1 event", "left to the recoverer") // this command has no REDIS_URL
	p.eventually("the order is paid", func() bool { return p.states(wrong) == "PAID / COMPLETED" })
	out, err = p.ops("", "orders", "review")
	contains(out, err, "No payment waits for a human.")
	if got := p.scalar(`SELECT concat_ws(' ', actor, action, target) FROM "AuditEntry" WHERE action LIKE 'events%'`); !strings.HasPrefix(got, "alice@") || !strings.HasSuffix(got, " events replay "+id) {
		t.Errorf("audit: %s", got)
	}
	// Once more, all of them: what an event has done it doesn't do twice.
	before := p.scalar(`SELECT count(*)::text FROM "OrderTransition"`)
	contains(p.opsWithRedis("events", "replay", "--restaurant", "a", "--commit"))
	p.eventually("all are worked off again", func() bool { return p.rows(`status <> 'COMPLETED'`) == "0" })
	if after := p.scalar(`SELECT count(*)::text FROM "OrderTransition"`); after != before {
		t.Errorf("%s transitions, %s before", after, before)
	}
}

// opsWithRedis is ops where the queue can be reached, too.
func (p *product) opsWithRedis(args ...string) (string, error) {
	var out strings.Builder
	err := app.Ops(p.Context(), app.Process{
		Args:  args,
		Env:   []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal(), "REDIS_URL=" + p.cfg.RedisURL.Reveal(), "USER=alice"},
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
	})
	if err == nil && !strings.Contains(out.String(), "queued.") {
		err = fmt.Errorf("not all are queued: %s", out.String())
	}
	return out.String(), err
}

// What the list shows can be shown, by the id that it shows or by the one that
// Stripe's Dashboard has, with why it is not worked off.
func TestOpsEventsSayWhy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("a", "")
	d.exec(`INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, "restaurantId", payload, "occurredAt", "dedupeKey", "lastError") VALUES
		('e1', 'evt_1', 'charge.succeeded', 'PROCESSING', 'a', '{}', now(), 'evt_1', NULL),
		('e2', 'evt_2', 'charge.succeeded', 'NO_CONFIG', NULL, '{}', now(), NULL, 'no restaurant has the slug trattoria'),
		('e3', 'evt_3', 'charge.succeeded', 'VERIFICATION_FAILED', 'a', '{"id":', now(), NULL, 'no secret matches')`)
	d.exec(`INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType") VALUES ('a', 'order-7', 'e1', now(), 'x'), ('a', 'cs_7', 'e1', now(), 'x')`)
	list := strings.Join(strings.Fields(d.works("", "events", "list")), " ")
	for _, want := range []string{
		"PROCESSING evt_1 charge.succeeded of a: it waits for a payment, which one of these would lead to: cs_7, order-7",
		"NO_CONFIG e2 charge.succeeded no restaurant has the slug trattoria",
		"VERIFICATION_FAILED e3 charge.succeeded of a: no secret matches",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("the list has no %q:\n%s", want, list)
		}
	}
	for id, want := range map[string]string{
		"evt_1": "waits for a payment, which one of these would lead to: cs_7, order-7.", "e2": "error no restaurant has the slug trattoria",
		"evt_2": "error no restaurant has the slug trattoria", "evt_3": "error no secret matches",
	} {
		if out := strings.Join(strings.Fields(d.works("", "events", "show", id)), " "); !strings.Contains(out, want) {
			t.Errorf("%s, want %q:\n%s", id, want, out)
		}
	}
}

// What is misspelt finds nothing, which must not look as if all was well.
func TestOpsWhatIsNamedMustBeThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("da-marco", "")
	d.exec(`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
		VALUES ('o', 'da-marco', 'PAYMENT_PENDING', 100, 'eur', now() - interval '3 hours')`)
	for id, status := range map[string]string{"evt_done": "COMPLETED", "evt_begun": "PROCESSING"} {
		d.exec(`INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, "restaurantId", payload, "occurredAt", "dedupeKey")
			VALUES ('e' || $1, $1, 'x', $2, 'da-marco', '', now(), $1)`, id, status)
	}
	const unknown = `there is no restaurant "da-marko"`
	for _, c := range []struct{ args, want string }{
		{"orders stuck --restaurant da-marko", unknown},
		{"orders review --restaurant da-marko", unknown},
		{"orders reconcile --stuck --restaurant da-marko --commit", unknown},
		{"events list --restaurant da-marko", unknown},
		{"events list evt_misspelt", "there is no such event: evt_misspelt"},
		{"events list evt_misspelt -o json", "there is no such event: evt_misspelt"},
		{"events list evt_done evt_misspelt --status COMPLETED", "there is no such event: evt_misspelt"},
		{"events show evt_misspelt", "there is no such event: evt_misspelt"},
		{"events list --order order-1", "there is no such order: order-1"},
		{"events replay --order order-1 --commit", "there is no such order: order-1"},
		{"secrets check da-marko", unknown},
		{"apikeys list da-marko", unknown},
		{"audit --restaurant da-marko", unknown},
		{"events replay --status FAILED --restaurant da-marko --commit", unknown},
		{"backfill --since 6h --restaurant da-marko --commit", unknown},
		{"backfill --since 6h --restaurant da-marco --commit", "da-marco has no API key"},
		{"events replay evt_done evt_misspelt", "there is no such event: evt_misspelt"},
		{"events replay evt_done evt_misspelt --commit", "there is no such event: evt_misspelt"},
		{"events replay evt_begun --commit", "evt_begun is PROCESSING"},
		{"events replay eevt_done --status FAILED --restaurant da-marco", "there is no such event: eevt_done"},
	} {
		if out, code := d.run("", strings.Fields(c.args)...); code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("ops %s: exit %d, want %q in\n%s", c.args, code, c.want, out)
		}
	}
	if got := d.scalar(`SELECT status FROM "WebhookEvent" WHERE id = 'eevt_done'`); got != "PROCESSING" {
		t.Errorf("beside a misspelt event, what is there is not replayed: %s", got)
	}
	// What is there beside it is shown all the same, and what the flags leave out is no error.
	if out, _ := d.run("", "events", "list", "evt_done", "evt_misspelt"); !strings.Contains(out, "PROCESSING  evt_done") {
		t.Errorf("beside a misspelt event, what is there is not listed:\n%s", out)
	}
	for _, args := range []string{"evt_done --status FAILED", "evt_done evt_begun --limit 1", "--order o", "--status FAILED"} {
		d.works("", append([]string{"events", "list"}, strings.Fields(args)...)...)
	}
	d.works("", "orders", "stuck", "--restaurant", "da-marco")
	d.exec(`UPDATE "WebhookEvent" SET status = 'COMPLETED'`)
	d.works("", "events", "replay", "evt_done", "eevt_begun", "--commit")
}

// A REDIS_URL that is wrong is not taken for none, and is told before anything is done.
func TestOpsAWrongRedisURLIsAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("r", "")
	d.exec(`INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, "restaurantId", payload, "occurredAt", "dedupeKey")
		VALUES ('e', 'evt', 'x', 'FAILED', 'r', '', now(), 'evt')`)
	for _, setting := range []string{"REDIS_URL=http://nonsense", "REDIS_URL_FILE=" + t.TempDir() + "/missing"} {
		d.env = []string{setting}
		for _, args := range []string{
			"events replay evt --commit", "backfill --since 1h --commit", "orders reconcile --stuck --commit", "audit --repair --commit",
		} {
			if out, code := d.run("", strings.Fields(args)...); code != 1 || !strings.Contains(out, "REDIS_URL") {
				t.Errorf("%s ops %s: exit %d\n%s", setting, args, code, out)
			}
		}
	}
	if got := d.scalar(`SELECT status FROM "WebhookEvent"`); got != "FAILED" {
		t.Errorf("the event is %s", got)
	}
	d.env = []string{"REDIS_URL=", "REDIS_URL_FILE="} // as compose files have what is unset
	if out := d.works("", "events", "replay", "evt", "--commit"); !strings.Contains(out, "left to the recoverer") {
		t.Error(out)
	}
}

func TestOpsEventsWrongUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct{ args, want string }{
		{"events list --status DONE", "want one of PROCESSING, COMPLETED"},
		{"events list --since yesterday", "such as 90m, 6h or 2d"},
		{"events list --limit 0", "want a positive number"},
		{"events replay", "EVENT ..., or flags"},
		{"orders show", "want: ops orders show ORDER"},
	} {
		if out, code := d.run("", strings.Fields(c.args)...); code != 2 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, %s", c.args, code, out)
		}
	}
	for _, args := range []string{"orders show nobody", "events show evt_nobody"} {
		if out, code := d.run("", strings.Fields(args)...); code != 1 || !strings.Contains(out, "there is no ") {
			t.Errorf("%s: exit %d, %s", args, code, out)
		}
	}
	out := d.works("", "events", "list", "-o", "json")
	var events []postgres.Event
	if err := json.Unmarshal([]byte(out), &events); err != nil || events == nil {
		t.Errorf("no events as JSON: %v, %s", err, out)
	}
	if out := d.works("", "events", "list", "--since", "2026-01-31T18:00:00Z", "--until", time.Now().Format(time.RFC3339)); !strings.Contains(out, "No event is like that.") {
		t.Error(out)
	}
}

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/stripetest"
)

// ask runs a command that asks Stripe.
func (p *product) ask(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, progress bytes.Buffer
	err = app.Ops(ctx, app.Process{
		Args: args, Env: []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal(), "REDIS_URL=" + p.cfg.RedisURL.Reveal(),
			"PAYMENT_CONFIG_ENC_KEY=" + encKey, "STRIPE_API_BASE=" + p.cfg.StripeAPIBase, "STRIPE_API_RATE=1000", "USER=alice"},
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &progress,
	})
	return out.String(), progress.String(), err
}

// The answer of a backfill, as far as it is looked at.
type backfillAnswer struct {
	Committed, Interrupted bool
	WithoutAPIKey          int `json:"withoutApiKey"`
	Total                  struct{ Seen, Known, Foreign, Unreadable, New int }
	Restaurants            []struct{ Slug, ResumedFrom, Error string }
}

func (p *product) backfill(ctx context.Context, args ...string) (a backfillAnswer, err error) {
	p.Helper()
	out, _, err := p.ask(ctx, append([]string{"backfill", "-o", "json"}, args...)...)
	if decodeErr := json.Unmarshal([]byte(out), &a); decodeErr != nil {
		p.Fatalf("%v: %v\n%s", err, decodeErr, out)
	}
	return a, err
}

func TestOpsBackfill(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	pays := p.newPayments("a", 6)
	for hours, pay := range pays { // one each hour, back from half an hour ago
		past := stripetest.NewFactory(uint64(hours), time.Now().Add(-30*time.Minute-time.Duration(hours)*time.Hour))
		there.Happen(restaurantKey, past.CheckoutCompleted(pay))
	}
	if out, _, err := p.ask(t.Context(), "backfill", "--since", "6h"); err != nil || !strings.Contains(out, "No restaurant has an API key") {
		t.Errorf("without a key: %v\n%s", err, out)
	}
	p.giveKey(restaurantKey)

	out, progress, err := p.ask(t.Context(), "backfill", "--since", "6h")
	if err != nil || !strings.Contains(out, "Would store 6 events") || !strings.Contains(out, "add --commit") || !strings.Contains(progress, "slug-a: done, 6 events, 6 new") {
		t.Errorf("preview: %v\n%s%s", err, out, progress)
	}
	if n := p.rows("true"); n != "0" {
		t.Fatalf("the preview has stored %s", n)
	}

	// Stripe breaks it off in the fourth hour; the same command goes on there.
	there.Hold(nil)
	asked := len(there.Requests(""))
	gate := make(chan struct{}, 3)
	there.Hold(gate)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan backfillAnswer)
	go func() {
		a, err := p.backfill(ctx, "--since", "6h", "--commit")
		if err == nil || app.ExitCode(err) != 1 || !strings.Contains(err.Error(), "goes on where it was") {
			t.Errorf("interrupted: %v", err)
		}
		ended <- a
	}()
	for range 3 {
		gate <- struct{}{}
	}
	p.eventually("the fourth hour is asked for", func() bool { return len(there.Requests("")) == asked+4 })
	interrupt()
	if a := <-ended; !a.Interrupted || a.Total.New != 3 {
		t.Errorf("interrupted after %+v", a)
	}
	there.Hold(nil)
	last := there.Requests("")[asked+3]
	a, err := p.backfill(t.Context(), "--since", "6h", "--commit")
	if err != nil || a.Interrupted || a.Total.Seen != 3 || a.Total.New != 3 || a.Restaurants[0].ResumedFrom == "" || a.WithoutAPIKey != 1 {
		t.Errorf("going on: %v, %+v", err, a)
	}
	if next := there.Requests("")[asked+4]; since(t, next) != since(t, last) {
		t.Errorf("went on at %s, was at %s", since(t, next), since(t, last))
	}
	p.eventually("all are paid", func() bool { return p.scalar(`SELECT count(*)::text FROM "Order" WHERE status = 'PAID'`) == "6" })

	// Once more from the beginning: everything is known.
	if a, err = p.backfill(t.Context(), "--since", "7h", "--until", "1h", "--restaurant", "a", "--commit"); err != nil || a.Total.New != 0 || a.Total.Known != 5 {
		t.Errorf("again: %v, %+v", err, a)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "BackfillCursor"`); n != "0" {
		t.Errorf("%s cursors are left", n)
	}
	if out, err := p.ops("", "events", "list"); err != nil || strings.Count(out, " backfill ") != 6 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := p.ops("", "events", "show", p.scalar(`SELECT min(id) FROM "WebhookEvent"`)); err != nil || !strings.Contains(out, "backfill: Stripe was asked for it") {
		t.Errorf("%v\n%s", err, out)
	}

	if got := p.scalar(`SELECT string_agg(action || ' ' || target || ' ' || left(detail, 11), '; ' ORDER BY id) FROM "AuditEntry" WHERE actor LIKE 'alice%'`); got != "backfill a 3 events of; backfill a 3 events of" {
		t.Errorf("audit: %s", got)
	}
	there.Forbid(restaurantKey, "/v1/events")
	if a, err = p.backfill(t.Context(), "--since", "1h"); err == nil || !strings.Contains(a.Restaurants[0].Error, "may not read this (HTTP 403)") {
		t.Errorf("not for this key: %v, %+v", err, a)
	}
}

// since is where a request for events begins.
func since(t *testing.T, r stripetest.APIRequest) string {
	t.Helper()
	u, err := url.Parse(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("created[gte]")
}

func TestOpsReconcile(t *testing.T) {
	t.Parallel()
	p, there := asking(t, "BACKFILL_INTERVAL=0", "RECONCILE_INTERVAL=0")
	pays := p.newPayments("a", 3)
	paid, open, wrong := pays[0], pays[1], pays[2]
	cheap := wrong
	cheap.Amount = 1
	for _, e := range []stripetest.Event{p.factory.CheckoutCompleted(paid), p.factory.IntentSucceeded(paid), p.factory.CheckoutOpen(open),
		p.factory.CheckoutCompleted(cheap), p.factory.IntentSucceeded(cheap)} {
		there.Put(restaurantKey, e)
	}
	for _, pay := range pays {
		p.age(pay, "2 hours")
	}
	contains := func(args string, code int, want ...string) {
		t.Helper()
		out, progress, err := p.ask(t.Context(), strings.Fields(args)...)
		for _, w := range want {
			if text := out + progress + fmt.Sprint(err); app.ExitCode(err) != code || !strings.Contains(strings.Join(strings.Fields(text), " "), w) {
				t.Errorf("ops %s: exit %d, want %q in:\n%s", args, app.ExitCode(err), w, text)
			}
		}
	}
	contains("orders stuck --older 1h", 0, "there is no API key to ask Stripe with", "pending for 2 h", "0 known, 0 waiting")
	contains("orders stuck --older 3h", 0, "No order waits for so long.")
	contains("orders reconcile "+paid.OrderID, 1, "the restaurant has no API key", "1 order can't be looked up")
	p.giveKey(restaurantKey)
	contains("orders reconcile --stuck --older 1h", 0,
		"checkout.session.completed: order PAYMENT_PENDING → PAID, payment PENDING → COMPLETED",
		"the session is open until", "order PAYMENT_PENDING → PAYMENT_PENDING, payment PENDING → REVIEW; amount or currency is not what the order asked for",
		"Would store 2 events for 2 of 3 orders. Stripe has nothing new for 1 order.", paid.OrderID+" of slug-a Stripe ", "3 orders looked up", "add --commit")
	if n := p.rows("true"); n != "0" || p.states(paid) != "PAYMENT_PENDING / PENDING" {
		t.Fatalf("the preview has stored %s", n)
	}
	contains("orders reconcile "+paid.OrderID+" --commit", 0, "Stored 1 event for 1 of 1 order.")
	p.eventually("it is paid", func() bool { return p.states(paid) == "PAID / COMPLETED" })
	contains("orders reconcile "+paid.OrderID, 1, "is PAID, not PAYMENT_PENDING")
	contains("orders reconcile --stuck --commit", 0, "Stored 1 event for 1 of 2 orders. Stripe has nothing new for 1 order.")
	p.eventually("it is to be reviewed", func() bool { return p.states(wrong) == "PAYMENT_PENDING / REVIEW" })
	contains("orders stuck", 0, "a human must look")
	contains("orders reconcile "+wrong.OrderID, 0, "no payment of the order could still bring the money", "Would store nothing. Stripe has nothing new for 1 order.")
	if got := p.scalar(`SELECT string_agg(concat_ws(' ', action, target, detail), '; ' ORDER BY id) FROM "AuditEntry" WHERE actor LIKE 'alice%'`); got !=
		"orders reconcile "+paid.OrderID+" 1 event stored; orders reconcile "+wrong.OrderID+" 1 event stored" {
		t.Errorf("audit: %s", got)
	}
	contains("orders reconcile", 2, "ORDER ..., or --stuck")
	contains("orders reconcile nobody", 1, "there is no such order")
	contains("orders stuck --older -1h", 2, "want a positive time")
}

func TestOpsSetAPIKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sealed("r", keyA, d.secret("first"), 1) // of live mode
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ('bare', 'Bare', 'bare')`)
	const first, second = "rk_live_hunter2hunter2", "sk_live_hunter2hunter2hunter2"
	d.secrets = append(d.secrets, "hunter2")
	const facts = `
  restaurant  r
  mode        live
  key         rk_live_…, 22 characters, fingerprint 6a5f
  sealed      under key 7c06baef
  by          anna@HOST
`
	fingerprint := func(out string) string { return maskFingerprint.ReplaceAllString(out, "fingerprint 6a5f") }
	if out, code := d.run(first, "secrets", "set-api-key", "r", "--stdin"); code != 0 ||
		!strings.Contains(fingerprint(out), "Would store the API key of r:") || d.scalar(`SELECT "secretKey" FROM "RestaurantPaymentConfig"`) != "" {
		t.Errorf("preview: %d\n%s", code, out)
	}
	out := fingerprint(d.works(" "+first+"\n", "secrets", "set-api-key", "r", "--stdin", "--commit"))
	for _, m := range masks {
		out = m.what.ReplaceAllString(out, m.by)
	}
	if want := "Stored the API key of r:" + facts; out != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
	if got := d.scalar(`SELECT "secretKey" FROM "RestaurantPaymentConfig"`); !strings.HasPrefix(got, "v1:") {
		t.Error("it is not sealed")
	}
	if got := lastLines(d.audit(), 1); got != "anna@HOST | secrets set-api-key | c-r | secretKey" {
		t.Errorf("audit: %s", got)
	}
	if out := d.works(first, "secrets", "set-api-key", "r", "--stdin", "--commit"); !strings.Contains(out, "has this API key already") {
		t.Error(out)
	}
	if out := d.works(second, "secrets", "set-api-key", "r", "--stdin", "--commit"); !strings.Contains(out, "replaces") {
		t.Error(out)
	}
	for input, want := range map[string]string{
		"":                            "no API key was entered",
		"sk_test_hunter2hunter2":      "the API key is of test mode, the restaurant's configuration of live mode",
		"whsec_hunter2hunter2hunter2": "this is a signing secret (whsec_…), not an API key",
		"pk_live_hunter2hunter2":      "this is a publishable API key (pk_…)",
		"hunter2hunter2hunter2":       "this is no API key",
		"sk_live_hunter2 hunter2xx":   "the API key has a blank",
		"sk_live_hunter2":             "the API key has 15 characters",
	} {
		if out, code := d.run(input, "secrets", "set-api-key", "r", "--stdin", "--commit"); code != 2 || !strings.Contains(out, want) {
			t.Errorf("%.8s…: exit %d, %s", input, code, out)
		}
	}
	if out, code := d.run(first, "secrets", "set-api-key", "bare", "--stdin", "--commit"); code != 1 || !strings.Contains(out, "has no configuration yet") {
		t.Error(code, out)
	}
	if out := d.works("", "secrets", "check", "r"); !strings.Contains(out, "API key   sealed, sk_live_…, 29 characters") {
		t.Error(out)
	}
	d.exec(`UPDATE "RestaurantPaymentConfig" SET "secretKey" = 'sk_live_plain_hunter2' WHERE id = 'c-r'`)
	if out, code := d.run("", "secrets", "check", "r"); code != 1 || !strings.Contains(out, "the API key is stored in the clear") {
		t.Error(code, out)
	}
	d.works("", "secrets", "reseal", "--commit")
	d.works("", "secrets", "check", "r")
	d.exec(`UPDATE "RestaurantPaymentConfig" SET livemode = false WHERE id = 'c-r'`)
	if out, code := d.run("", "secrets", "check", "r"); code != 1 || !strings.Contains(out, "the API key is of live mode") {
		t.Error(code, out)
	}
}

var maskFingerprint = regexp.MustCompile(`fingerprint [0-9a-f]{16}`)

func TestOpsBackfillWrongUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct{ args, want string }{
		{"backfill", "want: ops backfill --since TIME"},
		{"backfill --since 721h", "the last 30 days"},
		{"backfill --since 1h --until 2h", "want a time after --since"},
		{"backfill --since yesterday", "such as 90m, 6h or 2d"},
	} {
		if out, code := d.run("", strings.Fields(c.args)...); code != 2 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, %s", c.args, code, out)
		}
	}
}

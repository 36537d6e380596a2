package app_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/stripetest"
)

// Restaurant b knows its own secret and can sign anything with it.
func TestAttackCrossTenantForgery(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	victim := p.newPayments("a", 1)[0]
	sign := func(e stripetest.Event) string { return stripetest.Sign(p.secrets["b"], e.Body, time.Now()) }

	claimed := p.factory.CheckoutCompleted(victim)
	if got := p.post(endpoint, sign(claimed), claimed.Body); got.status != 400 {
		t.Errorf("an event of a's signed by b: %d %s", got.status, got.body)
	}
	if got := p.post(endpoint+"/slug-a", sign(claimed), claimed.Body); got.status != 400 {
		t.Errorf("at a's own URL: %d %s", got.status, got.body)
	}
	// At b's URL the signature is right: the events are stored and refused.
	disguised := victim
	disguised.RestaurantID = "b"
	bare := victim
	bare.NoMetadata = true
	for _, e := range []stripetest.Event{claimed, p.factory.CheckoutCompleted(disguised), p.factory.ChargeSucceeded(disguised), p.factory.CheckoutExpired(bare)} {
		if got := p.post(endpoint+"/slug-b", sign(e), e.Body); got.status != 200 {
			t.Errorf("at b's URL: %d %s", got.status, got.body)
		}
		p.eventually("it is refused", func() bool {
			return p.rows(`status = 'FAILED' AND "lastError" LIKE '%another restaurant%' AND "restaurantId" = 'b' AND "providerEventId" = $1`, e.ID) == "1"
		})
	}
	if got := p.states(victim); got != "PAYMENT_PENDING / PENDING" {
		t.Errorf("a's order is %s", got)
	}
	// The genuine event of the same id is none the worse for it.
	if got := p.deliver(victim, claimed); got.status != 200 || strings.Contains(got.body, "duplicate") {
		t.Errorf("the genuine event: %d %s", got.status, got.body)
	}
	p.eventually("it is paid", func() bool { return p.states(victim) == "PAID / COMPLETED" })
}

func TestAttackReplay(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	now := time.Now()
	for _, c := range []struct {
		at   time.Duration
		want int
	}{
		// With a minute to spare on a slow machine: pkg/stripe has them to the second.
		{-4 * time.Minute, 200}, {4 * time.Minute, 200}, {0, 200},
		{-301 * time.Second, 400}, {6 * time.Minute, 400}, {10 * 365 * 24 * time.Hour, 400}, {-time.Duration(now.UnixNano()), 400},
	} {
		if got := p.post(endpoint, stripetest.Sign(p.secrets["a"], e.Body, now.Add(c.at)), e.Body); got.status != c.want {
			t.Errorf("signed %s from now: %d, want %d", c.at, got.status, c.want)
		}
	}
	p.eventually("it is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	if n := p.rows(`"dedupeKey" IS NOT NULL`); n != "1" {
		t.Errorf("%s rows for one event", n)
	}
}

func TestAttackWrongMode(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	live := pay
	live.Livemode = true // the session is still the one of test mode
	e := p.factory.CheckoutCompleted(live)
	if got := p.deliver(live, e); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	p.eventually("it is refused", func() bool {
		return p.rows(`status = 'FAILED' AND "lastError" = 'event has livemode true, the payment has false'`) == "1"
	})
	if got := p.states(pay); got != "PAYMENT_PENDING / PENDING" {
		t.Errorf("the order is %s", got)
	}
}

// A Connect platform's endpoint gets its accounts' events, too.
func TestAttackAnotherConnectAccount(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pays := p.newPayments("a", 2)
	if _, err := p.db.Exec(`UPDATE "RestaurantPaymentConfig" SET "stripeAccountId" = 'acct_ours' WHERE "restaurantId" = 'a'`); err != nil {
		t.Fatal(err)
	}
	theirs, ours := pays[0], pays[1]
	theirs.Account, ours.Account = "acct_theirs", "acct_ours"
	for _, pay := range []stripetest.Payment{theirs, ours} {
		if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	p.eventually("both are worked off", func() bool { return p.rows(`status = 'PROCESSING'`) == "0" })
	if got := []string{p.states(theirs), p.states(ours)}; got[0] != "PAYMENT_PENDING / PENDING" || got[1] != "PAID / COMPLETED" {
		t.Error(got)
	}
	if n := p.rows(`status = 'FAILED' AND "lastError" LIKE '%acct_theirs%'`); n != "1" {
		t.Error("the other account's event is not FAILED with its reason")
	}
}

// Bodies and headers that are made to hurt whoever reads them. All are signed
// with the right secret: the signature alone must not be what protects us.
func TestAttackMalformedContent(t *testing.T) {
	t.Parallel()
	p := start(t, parts{})
	pay := p.newPayments("a", 1)[0]
	good := string(p.factory.CheckoutCompleted(pay).Body)
	edit := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the body has no %s", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(good)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"type twice", edit(`"type"`, `"type": "charge.failed", "type"`), 400},
		{"type in capitals as well", edit(`"type"`, `"TYPE": "charge.failed", "type"`), 400},
		{"data twice", edit(`"data"`, `"data": {}, "data"`), 400},
		{"deeply nested", edit(`"type"`, `"x": `+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`, "type"`), 400},
		{"never closed", good + strings.Repeat("[", 100_000), 400},
		{"a NUL in the id", edit(`"evt_`, `"evt_\u0000`), 400},
		{"bytes that are not UTF-8", edit(`"evt_`, "\"evt_\xff\xfe"), 400},
		{"an id of 10 kB", edit(`"evt_`, `"evt_`+strings.Repeat("x", 10_000)), 400},
		{"created as a text", edit(`"created": `, `"created": "x", "y": `), 400},
		{"null", "null", 400},
		{"a number", "1", 400},
		{"gzip", zipped.String(), 400},
		{"no data", `{"id":"evt_nodata","type":"charge.succeeded","created":1700000000}`, 200},
		{"null data", `{"id":"evt_nulldata","type":"charge.succeeded","created":1700000000,"data":null}`, 200},
		{"an array as the object", `{"id":"evt_array","type":"charge.succeeded","created":1700000000,"data":{"object":[]}}`, 200},
		{"an amount as a text", edit(`"amount_total": 2500`, `"amount_total": "2500"`), 200},
		{"created before all partitions", `{"id":"evt_old","type":"x","created":0}`, 200},
		{"created long after all partitions", `{"id":"evt_new","type":"x","created":253402300799}`, 200},
		{"SQL in a name", edit(pay.OrderID, `'); DROP TABLE \"Order\"; --`), 200},
	} {
		body := []byte(c.body)
		if got := p.post(endpoint+"/slug-a", stripetest.Sign(p.secrets["a"], body, time.Now()), body); got.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.want)
		}
	}
	p.eventually("whatever can be worked off is", func() bool { return p.count(`status = 'PROCESSING'`) <= 1 })
	if got := p.states(pay); got != "PAYMENT_PENDING / PENDING" {
		t.Errorf("the order is %s", got)
	}
}

func TestAttackSignatureHeader(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	good := stripetest.Sign(p.secrets["a"], e.Body, time.Now())
	stamp, v1, _ := strings.Cut(good, ",")
	bad := "v1=" + strings.Repeat("0", 64)
	for _, c := range []struct {
		name, header string
		want         int
	}{
		{"good among others", stamp + "," + bad + "," + v1 + ",v0=00", 200},
		{"thousands of v1", stamp + strings.Repeat(","+bad, 150) + "," + v1, 400},
		{"v0 only", stamp + "," + strings.Replace(v1, "v1", "v0", 1), 400},
		{"another scheme", stamp + "," + strings.Replace(v1, "v1", "v2", 1), 400},
		{"no time", v1, 400},
		{"two times", stamp + "," + good, 400},
		{"time in hex", "t=0x1," + v1, 400},
		{"half a signature", stamp + "," + v1[:40], 400},
		{"larger than all headers may be", stamp + strings.Repeat(","+bad, 2000), 431},
	} {
		got := p.post(endpoint, c.header, e.Body)
		if c.want == 431 && strings.Contains(got.body, "reset by peer") {
			continue // hung up on while it was still sending
		}
		if got.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.want)
		}
	}
	// Sent twice, the first counts: a proxy that adds a line must not win.
	for _, c := range []struct {
		headers []string
		want    int
	}{{[]string{stamp + "," + bad, good}, 400}, {[]string{good, stamp + "," + bad}, 200}} {
		req, err := http.NewRequest(http.MethodPost, p.base+endpoint, bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Stripe-Signature"] = c.headers
		resp, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("two lines: %d, want %d", resp.StatusCode, c.want)
		}
	}
}

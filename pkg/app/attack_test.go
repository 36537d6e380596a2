package app_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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
		{-299 * time.Second, 200}, {299 * time.Second, 200}, {0, 200},
		{-301 * time.Second, 400}, {302 * time.Second, 400}, {10 * 365 * 24 * time.Hour, 400}, {-time.Duration(now.UnixNano()), 400},
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
	p.eventually("whatever can be worked off is", func() bool { return p.rows(`status = 'PROCESSING'`) <= "1" })
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

// A sender that trickles is cut off, and holds up nobody meanwhile.
func TestAttackSlowBody(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", endpoint)
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Error(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == 200 {
					t.Error("half a body was accepted")
				}
			} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the connection is still open after 20 s")
			}
		})
	}
	for range 20 {
		if got := p.deliver(pay, p.factory.Other(pay, "customer.created")); got.status != 200 {
			t.Errorf("a genuine delivery meanwhile: %d %s", got.status, got.body)
		}
	}
	senders.Wait()
}

// 100,000 deliveries for restaurants and orders that don't exist.
func TestAttackUnknownRestaurantFlood(t *testing.T) {
	t.Parallel()
	const requests, connections = 100_000, 32
	p := start(t, parts{noWorker: true})
	pay := p.newPayments("a", 1)[0]
	e := p.factory.CheckoutCompleted(pay)
	signature := stripetest.Sign("whsec_of_nobody_here", e.Body, time.Now())
	before := heap()
	var next atomic.Int64
	var counts [600]atomic.Int64
	var senders sync.WaitGroup
	started := time.Now()
	for range connections {
		senders.Go(func() {
			for n := next.Add(1); n <= requests; n = next.Add(1) {
				path, body := endpoint, e.Body
				if n%10 == 0 { // a name in the body, which has to be looked up
					body = []byte(fmt.Sprintf(`{"id":"evt_%d","type":"x","created":1700000000,"data":{"object":{"client_reference_id":"nobody-%d"}}}`, n, n))
				} else {
					path += fmt.Sprint("/nobody-", n)
				}
				counts[p.post(path, signature, body).status%600].Add(1)
			}
		})
	}
	genuine := 0
	for range 100 {
		if got := p.deliver(pay, p.factory.Other(pay, "customer.created")); got.status == 200 {
			genuine++
		}
	}
	senders.Wait()
	took := time.Since(started)
	if got := counts[400].Load() + counts[429].Load(); got != requests || genuine != 100 {
		t.Errorf("%d of %d were refused, %d of 100 genuine ones accepted", got, requests, genuine)
	}
	allowed := 600 + int(took.Seconds()*10) + 100
	if n := p.scalar(`SELECT (count(*) <= $1)::text FROM "WebhookEvent"`, allowed); n != "true" {
		t.Errorf("%s rows, at most %d", p.rows("true"), allowed)
	}
	grown := heap() - before
	if grown > 48<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	t.Logf("%d requests in %s, %s rows, heap %+d KiB", requests, took.Round(time.Second), p.rows("true"), grown>>10)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

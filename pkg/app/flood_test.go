package app_test

import (
	"bufio"
	"fmt"
	"maps"
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
	// Not parallel: what other tests hold would count as its memory.
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

// flood posts unsigned deliveries from many connections at once, faster than a
// limit recovers, and counts the answers by their status.
func (p *product) flood(requests int, header http.Header) map[int]int {
	p.Helper()
	statuses := make([]int, requests)
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < int64(requests); i = next.Add(1) - 1 {
				req, err := http.NewRequest(http.MethodPost, p.base+endpoint, strings.NewReader("{}"))
				if err != nil {
					p.Error(err)
					return
				}
				maps.Copy(req.Header, header)
				resp, err := p.client.Do(req)
				if err != nil {
					p.Error(err)
					return
				}
				resp.Body.Close()
				statuses[i] = resp.StatusCode
			}
		})
	}
	senders.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	return counts
}

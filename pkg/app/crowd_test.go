package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// crowd is many customers, each with a connection of his own to one api
// process, who wait for their orders to be paid.
type crowd struct {
	testing.TB
	db      *postgres.DB
	api     *process
	address string
	private string
	tokens  *secret.OrderTokens
	rounds  int
}

func newCrowd(t testing.TB, url string) *crowd {
	t.Helper()
	db, err := postgres.Open(url, postgres.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.PutRestaurant(t.Context(), "a", "A", "slug-a"); err != nil {
		t.Fatal(err)
	}
	ring, err := secret.ParseRing(encKey)
	if err != nil {
		t.Fatal(err)
	}
	port, private := fmt.Sprint(devstack.FreePort(t)), fmt.Sprint(devstack.FreePort(t))
	c := &crowd{TB: t, db: db, address: "127.0.0.1:" + port, private: private, tokens: ring.OrderTokens()}
	// Each customer comes from an address of his own.
	c.api = launch(t, "api", "DATABASE_URL="+url, "PAYMENT_CONFIG_ENC_KEY="+encKey, "APP_ENV=production", "PORT="+port,
		"METRICS_ADDR=127.0.0.1:"+private, "TRUSTED_PROXIES=127.0.0.1", "FRONTEND_URL=https://shop.example")
	c.until("it listens", func() bool {
		conn, err := net.Dial("tcp", c.address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return c
}

func (c *crowd) until(what string, ok func() bool) {
	c.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			c.Fatalf("not within two minutes: %s", what)
		}
	}
}

// waiting is how many clients the process says that it has.
func (c *crowd) waiting(how string) string {
	conn, err := net.Dial("tcp", "127.0.0.1:"+c.private)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	text, _ := io.ReadAll(conn)
	_, rest, _ := strings.Cut(string(text), `tillhook_api_waiting_clients{how="`+how+`"} `)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// memory is what the process has in RAM now, in MB.
func (c *crowd) memory() float64 {
	c.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.api.Process.Pid))
	if err != nil {
		c.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		c.Fatal(err)
	}
	return float64(kb) / 1024
}

// seeing is how a round has gone.
type seeing struct {
	memory, peak  float64 // MB in RAM, while all wait, and when all have been told
	p50, p99, max time.Duration
}

// wait has n customers wait by stream or poll, for one order or each for his
// own, has the orders paid in one statement, and says when each has seen it,
// after the commit.
func (c *crowd) wait(n int, how string, shared bool) seeing {
	c.Helper()
	c.rounds++
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("order-%d-%d", c.rounds, i)
		if shared {
			ids[i] = ids[0]
		}
	}
	c.place(slices.Compact(slices.Clone(ids)))
	seen := make([]time.Time, n)
	connecting := make(chan struct{}, 64)
	over := make(chan struct{}) // nobody leaves before all have seen it
	defer close(over)
	var all sync.WaitGroup
	for i, id := range ids {
		connecting <- struct{}{}
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			c.Fatal(err)
		}
		all.Add(1)
		go func() {
			defer conn.Close()
			if err := c.customer(conn, id, how, i, func() { <-connecting }); err != nil {
				c.Errorf("%s: %v", id, err)
			}
			seen[i] = time.Now()
			all.Done()
			<-over
		}()
	}
	c.until("all wait", func() bool { return c.waiting(how) == fmt.Sprint(n) })
	s := seeing{memory: c.memory()}
	if _, err := c.db.Exec(`UPDATE "Order" SET status = 'PAID' WHERE id LIKE $1`, fmt.Sprintf("order-%d-%%", c.rounds)); err != nil {
		c.Fatal(err)
	}
	paid := time.Now()
	all.Wait()
	s.peak = max(s.memory, c.memory())
	slices.SortFunc(seen, time.Time.Compare)
	s.p50, s.p99, s.max = seen[n/2].Sub(paid), seen[n*99/100].Sub(paid), seen[n-1].Sub(paid)
	return s
}

func (c *crowd) place(ids []string) {
	c.Helper()
	orders := make([]postgres.NewOrder, len(ids))
	for i, id := range ids {
		orders[i] = postgres.NewOrder{OrderID: id, PaymentID: "payment-" + id, RestaurantID: "a", Total: order.Money{Amount: 2500, Currency: "eur"}}
	}
	if err := c.db.CreateOrders(c.Context(), orders); err != nil {
		c.Fatal(err)
	}
}

// customer asks, and reads until the order is PAID. It calls begun when its
// request is being answered.
func (c *crowd) customer(conn net.Conn, id, how string, i int, begun func()) error {
	ask := func(path, known string) error {
		_, err := fmt.Fprintf(conn, "GET /api/v1/orders/%s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nX-Forwarded-For: 10.%d.%d.1\r\n%s\r\n",
			id, path, c.tokens.Token(id), i/256, i%256, known)
		return err
	}
	path := map[string]string{"stream": "/events", "poll": ""}[how]
	if err := ask(path, ""); err != nil {
		begun()
		return err
	}
	first, err := readUntil(conn, `"PAYMENT_PENDING"`, `"final":false}`)
	if err == nil && how == "poll" {
		_, rest, _ := strings.Cut(first, "Etag: ")
		tag, _, _ := strings.Cut(rest, "\r\n")
		err = ask("?wait=30s", "If-None-Match: "+tag+"\r\n")
	}
	begun()
	if err != nil {
		return err
	}
	_, err = readUntil(conn, `"PAID"`, `"final":true}`)
	return err
}

// readUntil reads until all of the texts have come.
func readUntil(conn net.Conn, texts ...string) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	var got bytes.Buffer
	part := make([]byte, 1024)
	for {
		n, err := conn.Read(part)
		got.Write(part[:n])
		if !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(got.String(), t) }) {
			return got.String(), nil
		}
		if err != nil {
			return "", errors.Join(err, fmt.Errorf("read %q", got.String()))
		}
	}
}

// All who wait are told, whichever way they wait.
func TestACrowdSeesItsOrdersPaid(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, devstack.Database(t, migrate))
	for _, how := range []string{"stream", "poll"} {
		for _, shared := range []bool{false, true} {
			s := c.wait(300, how, shared)
			t.Logf("300 by %s, of one order %t: 50 %% after %s, all after %s, %.0f MB", how, shared, s.p50, s.max, s.memory)
			if s.max > 10*time.Second {
				t.Errorf("by %s the last one has seen it after %s", how, s.max)
			}
		}
	}
}

// BenchmarkWaiting is 5,000 customers at one process: what it needs while they
// wait, and how long after the commit each of them has seen his order PAID.
func BenchmarkWaiting(b *testing.B) {
	for _, how := range []string{"stream", "poll"} {
		for _, shared := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/one=%t", how, shared), func(b *testing.B) {
				c := newCrowd(b, devstack.Database(b, migrate))
				var worst seeing
				for b.Loop() {
					s := c.wait(5000, how, shared)
					worst = seeing{max(worst.memory, s.memory), max(worst.peak, s.peak), max(worst.p50, s.p50), max(worst.p99, s.p99), max(worst.max, s.max)}
				}
				b.ReportMetric(worst.memory, "waiting-MB")
				b.ReportMetric(worst.peak, "peak-MB")
				b.ReportMetric(float64(worst.p50.Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(worst.p99.Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(worst.max.Microseconds())/1000, "max-ms")
			})
		}
	}
}

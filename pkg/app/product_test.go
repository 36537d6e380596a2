package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/devstack"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripetest"
	"tillhook/pkg/telemetry"
)

// encKey is the key of every product under test.
const encKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// product is the whole program on real services, in this process.
type product struct {
	*testing.T
	db      *postgres.DB
	cfg     app.Config
	base    string
	metrics *telemetry.Metrics
	logs    *safeBuffer
	client  *http.Client
	factory *stripetest.Factory
	orders  int
	secrets map[string]string // by restaurant id
}

// parts says what of the product runs, and on which services.
type parts struct {
	databaseURL, redisURL string // "" for one of the test's own
	noWorker              bool
	env                   []string // more of the configuration
}

func migrate(url string) error {
	db, err := postgres.Open(url, postgres.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.MigrateUp(context.Background())
	return err
}

// start runs a product until the end of the test. It has the restaurants a and
// b, whose slugs are slug-a and slug-b.
func start(t *testing.T, what parts) *product {
	t.Helper()
	p := prepare(t, what)
	p.run(what)
	return p
}

// prepare makes a product ready without running it.
func prepare(t *testing.T, what parts) *product {
	t.Helper()
	if what.databaseURL == "" {
		what.databaseURL = devstack.Database(t, migrate)
	} else if err := migrate(what.databaseURL); err != nil {
		t.Fatal(err)
	}
	if what.redisURL == "" {
		what.redisURL = devstack.RedisURL(t)
	}
	cfg, err := app.ReadConfig(append([]string{"DATABASE_URL=" + what.databaseURL, "REDIS_URL=" + what.redisURL,
		"PAYMENT_CONFIG_ENC_KEY=" + encKey, "RECOVER_AFTER=2s"}, what.env...), app.RoleIngest)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	p := &product{
		T: t, db: db, cfg: cfg, metrics: telemetry.NewMetrics(), logs: &safeBuffer{},
		client:  &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		factory: stripetest.NewFactory(uint64(time.Now().UnixNano()), time.Now()),
		secrets: map[string]string{},
	}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	p.restaurant("a")
	p.restaurant("b")
	return p
}

// run starts the services and waits until they are ready.
func (p *product) run(what parts) {
	p.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fatal(err)
	}
	p.base = "http://" + l.Addr().String()
	log := slog.New(slog.NewJSONHandler(p.logs, nil))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := app.RunIngest(ctx, p.cfg, log, p.metrics, l); err != nil {
			p.Errorf("ingest: %v", err)
		}
	})
	if !what.noWorker {
		running.Go(func() {
			if err := app.RunWorker(ctx, p.cfg, log, p.metrics); err != nil {
				p.Errorf("worker: %v", err)
			}
		})
	}
	p.Cleanup(func() {
		stop()
		running.Wait()
		if p.Failed() {
			p.Log(tail(p.logs.String(), 4000))
		}
	})
	p.eventually("the product is ready", func() bool { return p.get("/health").status == http.StatusOK })
}

func (p *product) restaurant(id string) {
	p.Helper()
	ctx := context.Background()
	ring, err := secret.ParseRing(encKey)
	if err != nil {
		p.Fatal(err)
	}
	p.secrets[id] = "whsec_of_" + id
	sealed, err := ring.Seal(p.secrets[id], "config-"+id)
	if err != nil {
		p.Fatal(err)
	}
	if err := p.db.PutRestaurant(ctx, id, "Restaurant "+id, "slug-"+id); err != nil {
		p.Fatal(err)
	}
	if err := p.db.PutSecret(ctx, "config-"+id, id, false, sealed, secret.Fingerprint(p.secrets[id])); err != nil {
		p.Fatal(err)
	}
}

// newPayments stores n orders of 25.00 of a restaurant, each with its payment.
func (p *product) newPayments(restaurantID string, n int) []stripetest.Payment {
	p.Helper()
	payments, orders := make([]stripetest.Payment, n), make([]postgres.NewOrder, n)
	for i := range n {
		p.orders++
		orderID, paymentID := fmt.Sprintf("order-%05d", p.orders), fmt.Sprintf("payment-%05d", p.orders)
		payments[i] = p.factory.Payment(restaurantID, orderID, paymentID, 2500, "eur")
		orders[i] = postgres.NewOrder{
			OrderID: orderID, PaymentID: paymentID, RestaurantID: restaurantID,
			Session: payments[i].Session, Total: order.Money{Amount: 2500, Currency: "eur"},
		}
	}
	if err := p.db.CreateOrders(context.Background(), orders); err != nil {
		p.Fatal(err)
	}
	return payments
}

// secondPayment stores another payment of first's order, for a session of its
// own, as the ordering application does.
func (p *product) secondPayment(first stripetest.Payment) stripetest.Payment {
	p.Helper()
	again := p.factory.Again(first)
	if _, err := p.db.Exec(`INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
		VALUES ($1, $2, 'STRIPE', 'PENDING', $3, $4, $5)`, again.PaymentID, again.OrderID, again.Session, again.Amount, again.Currency); err != nil {
		p.Fatal(err)
	}
	return again
}

// answer is what came back over HTTP.
type answer struct {
	status int
	body   string
	header http.Header
}

func (p *product) get(path string) answer { return p.do(http.MethodGet, path, "", nil) }

// deliver posts an event as Stripe would, signed by its restaurant.
func (p *product) deliver(pay stripetest.Payment, e stripetest.Event) answer {
	return p.post("/api/v1/webhooks/stripe", stripetest.Sign(p.secrets[pay.RestaurantID], e.Body, time.Now()), e.Body)
}

func (p *product) post(path, signature string, body []byte) answer {
	return p.do(http.MethodPost, path, signature, body)
}

func (p *product) do(method, path, signature string, body []byte) answer {
	req, err := http.NewRequest(method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{body: err.Error()}
	}
	if signature != "" {
		req.Header.Set("Stripe-Signature", signature)
	}
	return p.send(req)
}

// send answers what came back, or why nothing did.
func (p *product) send(req *http.Request) answer {
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, strings.TrimSpace(string(text)), resp.Header}
}

// eventually waits for what another process does: there is no signal to wait
// for, so it looks again and again, for two minutes at the most.
func (p *product) eventually(what string, ok func() bool) {
	p.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			p.Fatalf("not within two minutes: %s", what)
		}
	}
}

// scalar reads one value, "" for NULL.
func (p *product) scalar(query string, args ...any) string {
	p.Helper()
	var v *string
	if err := p.db.Get(&v, query, args...); err != nil {
		p.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// states is "order status / payment status" of a payment.
func (p *product) states(pay stripetest.Payment) string {
	p.Helper()
	return p.scalar(`SELECT o.status || ' / ' || p.status FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id WHERE p.id = $1`, pay.PaymentID)
}

// rows counts the events that a condition holds for.
func (p *product) rows(where string, args ...any) string {
	p.Helper()
	return p.scalar(`SELECT count(*)::text FROM "WebhookEvent" WHERE `+where, args...)
}

// count is rows as a number, for what has to be more or less.
func (p *product) count(where string) (n int64) {
	p.Helper()
	if err := p.db.Get(&n, `SELECT count(*) FROM "WebhookEvent" WHERE `+where); err != nil {
		p.Fatalf("counting %s: %v", where, err)
	}
	return n
}

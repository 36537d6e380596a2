package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// own is a server of the test's own, with the schema in its database.
func own(t *testing.T) *devstack.Postgres {
	t.Helper()
	server := devstack.OwnPostgres(t)
	if err := migrate(server.URL); err != nil {
		t.Fatal(err)
	}
	return server
}

// eventually waits for what the server or another goroutine does, for half a
// minute at the most: there is no signal to wait for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within half a minute: %s", what)
		}
	}
}

// put stores one event, and answers why not.
func put(d *postgres.DB, id string) error {
	_, err := d.InsertEvents(context.Background(), []event.Record{record(id, "evt_"+id)})
	return err
}

// Connections to a primary that has become a standby look as good as ever, but
// take no writes: they are dropped, and new ones made only once there is a
// server that does.
func TestADemotedPrimaryIsLeft(t *testing.T) {
	t.Parallel()
	server := own(t)
	d, err := postgres.Open(server.URL, postgres.Options{Name: "under test"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	admin := open(t, server.URL+"&target_session_attrs=any&default_transaction_read_only=off")
	backends := func() int {
		return get[int](t, admin, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'under test'`)
	}
	if err := put(d, "1"); err != nil {
		t.Fatal(err)
	}
	exec(t, admin, `ALTER SYSTEM SET default_transaction_read_only = on`)
	exec(t, admin, `SELECT pg_reload_conf()`)
	var demoted error
	eventually(t, "writes are refused", func() bool {
		demoted = put(d, "2-"+time.Now().String())
		return demoted != nil
	})
	if errors.Is(demoted, event.ErrUnstorable) || errors.Is(demoted, event.ErrContended) || !strings.Contains(demoted.Error(), "read-only") {
		t.Errorf("it is not an outage: %v", demoted)
	}
	eventually(t, "the connections are dropped", func() bool { return backends() == 0 })
	if err := put(d, "3"); !errors.Is(err, postgres.ErrAway) {
		t.Errorf("while there is no primary: %v", err)
	}
	exec(t, admin, `ALTER SYSTEM RESET default_transaction_read_only`)
	exec(t, admin, `SELECT pg_reload_conf()`)
	eventually(t, "there is a primary again", func() bool { return put(d, "3") == nil })
}

// Of several hosts the one that takes writes is found, each at its port.
func TestOfSeveralHostsThePrimaryIsFound(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(devstack.Database(t, migrate))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "127.0.0.1:1," + u.Host
	d := open(t, u.String())
	if err := put(d, "1"); err != nil {
		t.Error(err)
	}
}

// A server that accepts and says nothing is given up as soon as one that
// doesn't accept.
func TestAMuteServerIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := postgres.Open("postgres://u:p@"+l.Addr().String()+"/db?sslmode=disable", postgres.Options{ConnectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	started := time.Now()
	if err := put(d, "1"); err == nil {
		t.Fatal("stored, by nobody")
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("given up after %s", took)
	}
}

// Who listens hears again after a restart, and learns what was said meanwhile.
func TestListenersComeBackAfterARestart(t *testing.T) {
	t.Parallel()
	server := own(t)
	d := open(t, server.URL)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('first', 'first', 'first')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o1', 'first', 1, 'eur')`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p1', 'o1', 'cs_0', 1, 'eur')`)
	exec(t, d, `INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType") VALUES
		('first', 'p1', 'missed at first', to_timestamp(1700000000), 'charge.succeeded')`)
	changed, woken := listeners(t, d)
	hears := func(when string) {
		t.Helper()
		exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ($1, $1, $1)`, when)
		await(t, "a changed configuration, "+when, changed)
	}
	await(t, "the beginning", changed)
	if got := await(t, "the beginning of the other", woken); got != "missed at first 1700000000 charge.succeeded" {
		t.Errorf("woken at the beginning: %s", got)
	}
	exec(t, d, `DELETE FROM "WaitingEvent"`)
	hears("before")
	exec(t, d, `INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType") VALUES
		('before', 'p', 'e', to_timestamp(1700000000), 'charge.succeeded'), ('before', 'o', 'e', to_timestamp(1700000000), 'charge.succeeded'),
		('before', 'cs_1', 'by session', to_timestamp(1700000000), 'checkout.session.completed'),
		('before', 'unknown', 'waits on', to_timestamp(1700000000), 'charge.succeeded')`)
	// The payment becomes known when nobody can hear it.
	exec(t, d, `ALTER TABLE "Payment" DISABLE TRIGGER payment_wake`)
	exec(t, d, `ALTER TABLE "PaymentObject" DISABLE TRIGGER payment_object_wake`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency) VALUES ('o', 'before', 1, 'eur')`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", "providerPaymentId", amount, currency) VALUES ('p', 'o', 'cs_1', 1, 'eur')`)
	for len(changed) > 0 {
		<-changed
	}
	for _, end := range []func() error{server.Stop, server.Kill} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t, "that something may have changed", changed)
		got := map[string]bool{await(t, "a missed event", woken): true, await(t, "another one", woken): true}
		if !got["e 1700000000 charge.succeeded"] || !got["by session 1700000000 checkout.session.completed"] {
			t.Errorf("woken: %v", got)
		}
		eventually(t, "the pool is back", func() bool { return d.Ping() == nil })
		hears(time.Now().String())
	}
	if len(woken) > 0 {
		t.Errorf("also woken: %s", <-woken)
	}
}

// listeners watch both channels until the end of the test.
func listeners(t *testing.T, d *postgres.DB) (changed, woken chan string) {
	t.Helper()
	changed, woken = make(chan string, 100), make(chan string, 100)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- d.WatchConfigs(ctx, func() { changed <- "" }) }()
	go func() {
		ended <- d.WatchWaiting(ctx, func(e event.Unfinished) {
			woken <- strings.Join([]string{e.ID, strconv.FormatInt(e.OccurredAt.Unix(), 10), e.Type}, " ")
		})
	}()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return changed, woken
}

func await(t *testing.T, what string, c chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(30 * time.Second):
		t.Fatalf("not heard within half a minute: %s", what)
		return ""
	}
}

// A connection that is dead without a word is found by its ping; and nobody
// waits for it when the process ends.
func TestADeadListenerComesBack(t *testing.T) {
	t.Parallel()
	databaseURL := devstack.Database(t, migrate)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	s := newSwallower(t, u.Host)
	u.Host = s.addr
	d, err := postgres.Open(u.String(), postgres.Options{PingInterval: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	changed := make(chan string, 100)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.WatchConfigs(ctx, func() { changed <- "" }) }()
	await(t, "the beginning", changed)
	s.dead.Store(true)
	// Dead for the one that listens, which then makes another.
	time.AfterFunc(time.Second, func() { s.dead.Store(false) })
	await(t, "that it is back", changed)
	exec(t, open(t, databaseURL), `INSERT INTO "Restaurant" (id, name, slug) VALUES ('a', 'a', 'a')`)
	await(t, "a change", changed)
	s.dead.Store(true)
	stop()
	started := time.Now()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the end took %s", took)
	}
}

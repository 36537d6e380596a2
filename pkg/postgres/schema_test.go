package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/db"
	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
)

func TestMigrationsGoUpDownAndUpAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := open(t, devstack.Database(t, nil))
	first, err := d.MigrateUp(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range first {
		down, err := d.MigrateDown(ctx)
		if err != nil || len(down) != 1 {
			t.Fatalf("down: %v, %v", down, err)
		}
	}
	if none, err := d.MigrateDown(ctx); err != nil || len(none) != 0 {
		t.Fatalf("down below the first: %v, %v", none, err)
	}
	left := get[int](t, d, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'S') AND c.relname NOT LIKE 'goose%'`)
	functions := get[int](t, d, `SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'`)
	if left != 0 || functions != 0 {
		t.Errorf("%d tables and %d functions are left after the way down", left, functions)
	}
	again, err := d.MigrateUp(ctx)
	if err != nil || len(again) != len(first) || len(first) == 0 {
		t.Fatalf("up again: %d migrations, first %d, %v", len(again), len(first), err)
	}
	if more, err := d.MigrateUp(ctx); err != nil || len(more) != 0 {
		t.Errorf("up when there is nothing to do: %v, %v", more, err)
	}
}

func TestMigrationsRunOnceWhenManyProcessesStart(t *testing.T) {
	t.Parallel()
	url := devstack.Database(t, nil)
	var wg sync.WaitGroup
	applied := make([]int, 4)
	for i := range applied {
		d := open(t, url)
		wg.Go(func() {
			done, err := d.MigrateUp(context.Background())
			if err != nil {
				t.Error(err)
			}
			applied[i] = len(done)
		})
	}
	wg.Wait()
	total := 0
	for _, n := range applied {
		total += n
	}
	files, err := fs.Glob(db.Migrations(), "*.sql")
	if err != nil || total != len(files) {
		t.Errorf("%d migrations applied by all together, there are %d files (%v)", total, len(files), err)
	}
}

// The server itself checks every statement's syntax, tables and columns.
func TestEveryQueryPrepares(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	files, err := fs.Glob(db.Queries(), "*.sql")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d queries found, %v", len(files), err)
	}
	for _, file := range files {
		s, err := d.Prepare(db.Query(strings.TrimSuffix(file, ".sql")))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOperatorsStatementsRunVerbatim(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('your-restaurant-id', 'Trattoria', 'your-restaurant-slug')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", provider, "isActive", "webhookSecret")
		VALUES ('cfg', 'your-restaurant-id', 'STRIPE', true, 'whsec_old')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
		VALUES ('order-id-here', 'your-restaurant-id', 'PAYMENT_PENDING', 2500, 'USD')`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
		VALUES ('pay', 'order-id-here', 'STRIPE', 'PENDING', 'cs_test_1', 2500, 'USD')`)
	text, err := os.ReadFile("testdata/operators.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := 0
	for statement := range strings.SplitSeq(string(text), ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		statements++
		if _, err := d.Exec(statement); err != nil {
			t.Errorf("%v in:\n%s", err, statement)
		}
	}
	if statements != 10 {
		t.Errorf("%d statements ran, the operators have 10", statements)
	}
	type state struct{ Order, Payment, Secret, Previous string }
	var got state
	if err := d.QueryRow(`SELECT o.status, p.status, c."webhookSecret", c."previousWebhookSecret"
		FROM "Order" o, "Payment" p, "RestaurantPaymentConfig" c`).Scan(&got.Order, &got.Payment, &got.Secret, &got.Previous); err != nil {
		t.Fatal(err)
	}
	want := state{"PAID", "COMPLETED", "whsec_your_production_secret", "whsec_old"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestWhatTheOrderingApplicationLeavesOutIsFilledIn(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", livemode) VALUES ('c', 'r', true)`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency) VALUES ('o', 'r', 'PAYMENT_PENDING', 1000, 'EUR')`)
	type payment struct {
		RestaurantID string `db:"restaurantId"`
		Currency     string `db:"currency"`
		Livemode     bool   `db:"livemode"`
		Objects      string `db:"objects"`
	}
	for _, c := range []struct {
		name, provider string
		want           payment
	}{
		{"test session", "cs_test_a", payment{"r", "eur", false, "cs_test_a"}},
		{"live session", "cs_live_a", payment{"r", "eur", true, "cs_live_a"}},
		{"intent takes the configuration's mode", "pi_a", payment{"r", "eur", true, "pi_a"}},
	} {
		exec(t, d, `INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
			VALUES ($1, 'o', 'STRIPE', 'PENDING', $2, 1000, 'EUR')`, c.name, c.provider)
		var got payment
		if err := d.Get(&got, `SELECT p."restaurantId", p.currency, p.livemode, string_agg(l."objectId", ',') AS objects
			FROM "Payment" p LEFT JOIN "PaymentObject" l ON l."paymentId" = p.id WHERE p.id = $1 GROUP BY p.id`, c.name); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
	exec(t, d, `UPDATE "Payment" SET "providerPaymentId" = 'pi_later' WHERE id = 'test session'`)
	if got := get[string](t, d, `SELECT "paymentId" FROM "PaymentObject" WHERE "objectId" = 'pi_later'`); got != "test session" {
		t.Errorf("the learned id leads to %q", got)
	}
}

// One secret in another form is no rotation: the one before must stay.
func TestSecretTriggerKeepsThePreviousSecret(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	exec(t, d, `INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", "webhookSecret") VALUES ('c', 'r', ' whsec_a
		')`)
	type config struct {
		Secret, Previous string
		Overlap          time.Duration
	}
	read := func() config {
		var c config
		var expires time.Time
		if err := d.QueryRow(`SELECT coalesce("webhookSecret", ''), coalesce("previousWebhookSecret", ''),
			coalesce("previousWebhookSecretExpiresAt", now()) FROM "RestaurantPaymentConfig"`).Scan(&c.Secret, &c.Previous, &expires); err != nil {
			t.Fatal(err)
		}
		c.Overlap = time.Until(expires).Round(time.Hour)
		return c
	}
	for _, step := range []struct {
		what, set string
		want      config
	}{
		{"trimmed on entry", `"updatedAt" = now()`, config{Secret: "whsec_a"}},
		{"sealing is no rotation", `"webhookSecret" = 'v1:sealed-a'`, config{Secret: "v1:sealed-a"}},
		{"rotation by plain SQL", `"webhookSecret" = 'whsec_b'`, config{"whsec_b", "v1:sealed-a", 72 * time.Hour}},
		{"sealed at the next touch", `"webhookSecret" = 'v1:sealed-b'`, config{"v1:sealed-b", "v1:sealed-a", 72 * time.Hour}},
		{"the same secret written again", `"webhookSecret" = 'whsec_b'`, config{"whsec_b", "v1:sealed-a", 72 * time.Hour}},
		{"and sealed again", `"webhookSecret" = 'v1:sealed-b'`, config{"v1:sealed-b", "v1:sealed-a", 72 * time.Hour}},
		{"an overlap of one's own", `"webhookSecret" = 'whsec_c', "previousWebhookSecretExpiresAt" = now() + interval '1 hour'`,
			config{"whsec_c", "v1:sealed-b", time.Hour}},
		{"a slip of the pen corrected", `"webhookSecret" = 'whsec_d'`, config{"whsec_d", "v1:sealed-b", time.Hour}},
		{"emptied", `"webhookSecret" = ' '`, config{}},
	} {
		exec(t, d, `UPDATE "RestaurantPaymentConfig" SET `+step.set)
		if diff := cmp.Diff(step.want, read()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.what, diff)
		}
	}
}

func TestNobodyPutsAForgedDeliveryToWork(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	forged := record("1", "evt_a")
	forged.Status, forged.LastError = event.VerificationFailed, "no secret matches"
	if _, err := d.InsertEvents(context.Background(), []event.Record{forged}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(`UPDATE "WebhookEvent" SET status = 'PROCESSING'`); err == nil {
		t.Error("a row that nobody signed is PROCESSING")
	}
}

// A restaurant that signs times in the future must not keep a week from
// getting its partition.
func TestPartitionsTakeTheirRowsFromTheDefaultOne(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	ctx := context.Background()
	r := record("1", "evt_a")
	r.OccurredAt = time.Now().Add(80 * 24 * time.Hour)
	if _, err := d.InsertEvents(ctx, []event.Record{r}); err != nil {
		t.Fatal(err)
	}
	made, err := d.CreatePartitions(ctx, 0, 100)
	if err != nil || made == 0 {
		t.Fatalf("%d partitions, %v", made, err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM "WebhookEvent_default"`); n != 0 {
		t.Errorf("%d rows are left in the default partition", n)
	}
	again, err := d.InsertEvents(ctx, []event.Record{record("2", "evt_b"), r})
	if err != nil || !again[0] || again[1] {
		t.Errorf("after the move: %v, %v", again, err)
	}
}

// What may be a source is the same in every week, and no migration reads through
// the history to make sure of it.
func TestEveryWeekKnowsTheSources(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	if _, err := d.CreatePartitions(t.Context(), 0, 100); err != nil {
		t.Fatal(err)
	}
	if get[bool](t, d, `SELECT convalidated FROM pg_constraint WHERE conrelid = '"WebhookEvent"'::regclass AND conname = 'WebhookEvent_source_check'`) {
		t.Error("the check was validated under the lock that the migration holds")
	}
	for i, at := range []time.Time{time.Now(), time.Now().Add(90 * 24 * time.Hour), time.Now().Add(900 * 24 * time.Hour)} {
		r := record(fmt.Sprint(i), fmt.Sprint("evt_", i))
		r.OccurredAt, r.Source = at, event.Test
		if _, err := d.InsertEvents(t.Context(), []event.Record{r}); err != nil {
			t.Error(err)
		}
		r.ID, r.ProviderEventID, r.Source = r.ID+"b", r.ProviderEventID+"b", "hearsay"
		if _, err := d.InsertEvents(t.Context(), []event.Record{r}); err == nil {
			t.Errorf("an event of %s comes from hearsay", at)
		}
	}
}

func TestApplicationsMayNameEveryColumn(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r'), ('r2', 'R', 'r2')`)
	exec(t, d, `INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt", "updatedAt", "paidAt")
		VALUES ('o', 'r', NULL, 1000, 'EUR', NULL, NULL, NULL)`)
	exec(t, d, `INSERT INTO "Payment" (id, "orderId", "restaurantId", provider, status, "providerPaymentId", amount, currency,
		livemode, "amountRefunded", facts, "createdAt", "updatedAt")
		VALUES ('p', 'o', NULL, NULL, NULL, NULL, 1000, 'EUR', NULL, NULL, NULL, NULL, NULL)`)
	if got := get[string](t, d, `SELECT concat_ws(' ', o.status, p.status, p."restaurantId", p.provider, p.facts) FROM "Order" o, "Payment" p`); got != "PAYMENT_PENDING PENDING r STRIPE {}" {
		t.Error(got)
	}
	if _, err := d.Exec(`INSERT INTO "Payment" (id, "orderId", "restaurantId", amount, currency) VALUES ('p2', 'o', 'r2', 1, 'eur')`); err == nil {
		t.Error("a payment of another restaurant than its order's")
	}
}

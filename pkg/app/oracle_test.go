package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripe"
	"tillhook/pkg/stripetest"
)

// tale is one order with its payments, and all that Stripe tells of it.
type tale struct {
	lifecycle stripetest.Lifecycle
	payments  []stripetest.Payment
	events    []stripetest.Event // those that are told twice are there once
}

// ending is where a payment and its order are, and the money of it.
type ending struct {
	Order             order.Status
	Payment           order.PaymentStatus
	Asked             order.Money
	Refunded          int64
	ProviderPaymentID string
	Facts             order.Facts
}

// storyteller tells all lifecycles in turn, of orders of many amounts and
// currencies in two restaurants.
type storyteller struct {
	factory *stripetest.Factory
	told    int
}

func (s *storyteller) tell() tale {
	all := stripetest.Lifecycles()
	l := all[s.told%len(all)]
	s.told++
	id := fmt.Sprintf("%07d", s.told)
	first := s.factory.Payment([]string{"a", "b"}[s.told%2], "order-"+id, "payment-"+id,
		int64(500+37*(s.told%400)), []string{"eur", "usd", "jpy"}[s.told%3])
	t := tale{l, []stripetest.Payment{first}, l.Events(s.factory, first)}
	if l.Second != nil {
		again := s.factory.Again(first)
		t.payments, t.events = append(t.payments, again), append(t.events, l.Second.Events(s.factory, again)...)
	}
	known := map[string]bool{}
	t.events = slices.DeleteFunc(t.events, func(e stripetest.Event) bool {
		defer func() { known[e.ID] = true }()
		return known[e.ID]
	})
	return t
}

// store keeps the tales' orders and payments, as the ordering application does.
// After an error it can be called again.
func store(ctx context.Context, db *postgres.DB, tales []tale) error {
	orders := make([]postgres.NewOrder, len(tales))
	for i, t := range tales {
		p := t.payments[0]
		orders[i] = postgres.NewOrder{OrderID: p.OrderID, PaymentID: p.PaymentID, RestaurantID: p.RestaurantID,
			Session: p.Session, Total: order.Money{Amount: p.Amount, Currency: p.Currency}}
	}
	var before int
	if err := db.GetContext(ctx, &before, `SELECT count(*) FROM "Order" WHERE id = $1`, orders[0].OrderID); err != nil {
		return err
	}
	if before == 0 { // all or none are there
		if err := db.CreateOrders(ctx, orders); err != nil {
			return err
		}
	}
	for _, t := range tales {
		for _, p := range t.payments[1:] {
			if _, err := db.ExecContext(ctx, `INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
				VALUES ($1, $2, 'STRIPE', 'PENDING', $3, $4, $5) ON CONFLICT (id) DO NOTHING`,
				p.PaymentID, p.OrderID, p.Session, p.Amount, p.Currency); err != nil {
				return err
			}
		}
	}
	return nil
}

// foretell says where a tale ends: by the pure code alone, over all of its
// events in the order in which they are told. Where the payments must be by the
// lifecycle's own word has to be the same.
func foretell(t tale) (map[string]ending, error) {
	first := t.payments[0]
	o := &order.Order{ID: first.OrderID, RestaurantID: first.RestaurantID, Status: order.PaymentPending}
	links := map[order.Link]string{}
	for _, p := range t.payments {
		o.Payments = append(o.Payments, &order.Payment{
			ID: p.PaymentID, OrderID: p.OrderID, RestaurantID: p.RestaurantID, Status: order.PaymentIsPending,
			ProviderPaymentID: p.Session, Expected: order.Money{Amount: p.Amount, Currency: p.Currency},
		})
		links[order.Link{RestaurantID: p.RestaurantID, ObjectID: p.Session}] = p.PaymentID
	}
	entries := make([]order.Entry, len(t.events))
	for i, e := range t.events {
		c, err := stripe.Decode(e.Type, e.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: decoding %s: %w", t.lifecycle.Name, e.Type, err)
		}
		entries[i] = order.Entry{EventID: e.ID, Type: e.Type, RestaurantID: first.RestaurantID, Contribution: c}
	}
	for i, r := range order.NewBook([]*order.Order{o}, links).Settle(entries) {
		if r.Err != nil {
			return nil, fmt.Errorf("%s: %s: %w", t.lifecycle.Name, entries[i].Type, r.Err)
		}
	}
	ends := map[string]ending{}
	for _, p := range o.Payments {
		ends[p.ID] = ending{o.Status, p.Status, p.Expected, p.Refunded(), p.ProviderPaymentID, p.Facts}
	}
	if l, got := t.lifecycle, ends[first.PaymentID]; got.Order != l.Order || got.Payment != l.Payment || got.Refunded != stripetest.Back(first, l.Refunded) {
		return nil, fmt.Errorf("%s ends as %+v", l.Name, got)
	}
	return ends, nil
}

// endings reads where all payments are.
func (p *product) endings() map[string]ending {
	p.Helper()
	rows, err := p.db.QueryContext(p.Context(), `SELECT p.id, o.status, p.status, p.amount, p.currency, p."amountRefunded",
		coalesce(p."providerPaymentId", ''), p.facts FROM "Payment" p JOIN "Order" o ON o.id = p."orderId"`)
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	all := map[string]ending{}
	for rows.Next() {
		var id string
		var e ending
		var facts []byte
		if err := rows.Scan(&id, &e.Order, &e.Payment, &e.Asked.Amount, &e.Asked.Currency, &e.Refunded, &e.ProviderPaymentID, &facts); err != nil {
			p.Fatal(err)
		}
		if err := json.Unmarshal(facts, &e.Facts); err != nil {
			p.Fatal(err)
		}
		all[id] = e
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	return all
}

// kept is the money that the restaurants have, by currency.
func kept(all map[string]ending) map[string]int64 {
	sum := map[string]int64{}
	for _, e := range all {
		switch e.Payment {
		case order.PaymentCompleted, order.PaymentPartiallyRefunded, order.PaymentRefunded, order.PaymentDisputed:
			sum[e.Asked.Currency] += e.Asked.Amount - e.Refunded
		}
	}
	return sum
}

// census is what became of the events that were answered with 200.
type census struct{ acked, stored, completed, lost, twice int }

// atRest checks everything that must hold of the database once all acked
// events are worked off; that the product's own audit finds nothing is part of
// it.
func (p *product) atRest(acked map[string]bool, want map[string]ending) census {
	p.Helper()
	c := p.checkEvents(acked)
	p.checkTransitions()
	got := p.endings()
	shown := 0
	for id, w := range want {
		if diff := cmp.Diff(w, got[id], cmpopts.EquateEmpty()); diff != "" && shown < 5 {
			p.Errorf("%s is not where its events lead (-want +got)\n%s", id, diff)
			shown++
		}
	}
	if len(got) != len(want) {
		p.Errorf("%d payments, want %d", len(got), len(want))
	}
	if diff := cmp.Diff(kept(want), kept(got)); diff != "" {
		p.Errorf("the money (-want +got)\n%s", diff)
	}
	if a, code := p.audit("--strict"); code != 0 || a.Unfinished != 0 {
		p.Errorf("the audit ends with %d: %+v", code, a)
	}
	return c
}

// checkEvents compares the acked events with the stored ones.
func (p *product) checkEvents(acked map[string]bool) census {
	p.Helper()
	var rows []struct {
		ID        string `db:"id"`
		Stored    int    `db:"stored"`
		Completed int    `db:"completed"`
		Lasts     string `db:"errors"`
	}
	if err := p.db.SelectContext(p.Context(), &rows, `SELECT coalesce("providerEventId", '') AS id, count(*) AS stored,
		count(*) FILTER (WHERE status = 'COMPLETED' AND attempts > 0 AND "processedAt" IS NOT NULL) AS completed,
		coalesce(string_agg(DISTINCT status || ' ' || "lastError", '; '), '') AS errors
		FROM "WebhookEvent" GROUP BY 1`); err != nil {
		p.Fatal(err)
	}
	c := census{acked: len(acked), lost: len(p.lost(acked))}
	for _, r := range rows {
		c.stored += r.Stored
		c.completed += r.Completed
		if r.Stored > 1 {
			c.twice++
		}
		if !acked[r.ID] || r.Stored != 1 || r.Completed != 1 || r.Lasts != "" {
			p.Errorf("event %s: acked %t, stored %d times, completed %d times %s", r.ID, acked[r.ID], r.Stored, r.Completed, r.Lasts)
		}
	}
	return c
}

// lost are the events that were answered with 200 and are not there.
func (p *product) lost(acked map[string]bool) []string {
	p.Helper()
	var stored []string
	if err := p.db.SelectContext(p.Context(), &stored, `SELECT "dedupeKey" FROM "WebhookEvent" WHERE "dedupeKey" IS NOT NULL`); err != nil {
		p.Fatal(err)
	}
	missing := maps.Clone(acked)
	for _, id := range stored {
		delete(missing, id)
	}
	if len(missing) > 0 {
		p.Errorf("%d events were answered with 200 and are not there", len(missing))
	}
	return slices.Collect(maps.Keys(missing))
}

// checkTransitions wants the recorded changes of each order and payment to be
// one chain, from where it began to where it is, with one link to an event.
func (p *product) checkTransitions() {
	p.Helper()
	for what, query := range map[string]string{
		"events with more than one transition": `SELECT count(*) FROM (SELECT FROM "OrderTransition" GROUP BY "webhookEventId" HAVING count(*) > 1) x`,
		"transitions that change nothing":      `SELECT count(*) FROM "OrderTransition" WHERE "orderFrom" = "orderTo" AND "paymentFrom" = "paymentTo"`,
		"breaks in the orders' stories": `SELECT count(*) FROM (SELECT "orderFrom",
			lag("orderTo", 1, 'PAYMENT_PENDING') OVER (PARTITION BY "orderId" ORDER BY id) AS was FROM "OrderTransition") x WHERE was <> "orderFrom"`,
		"breaks in the payments' stories": `SELECT count(*) FROM (SELECT "paymentFrom",
			lag("paymentTo", 1, 'PENDING') OVER (PARTITION BY "paymentId" ORDER BY id) AS was FROM "OrderTransition") x WHERE was <> "paymentFrom"`,
		"orders that are not where their story ends": `SELECT count(*) FROM "Order" o WHERE status <> coalesce(
			(SELECT "orderTo" FROM "OrderTransition" t WHERE t."orderId" = o.id ORDER BY t.id DESC LIMIT 1), 'PAYMENT_PENDING')`,
		"payments that are not where their story ends": `SELECT count(*) FROM "Payment" p WHERE status <> coalesce(
			(SELECT "paymentTo" FROM "OrderTransition" t WHERE t."orderId" = p."orderId" AND t."paymentId" = p.id ORDER BY t.id DESC LIMIT 1), 'PENDING')`,
		"events that still wait": `SELECT count(*) FROM "WaitingEvent"`,
	} {
		var n int
		if err := p.db.GetContext(p.Context(), &n, query); err != nil {
			p.Fatalf("%s: %v", what, err)
		}
		if n != 0 {
			p.Errorf("%d %s", n, what)
		}
	}
}

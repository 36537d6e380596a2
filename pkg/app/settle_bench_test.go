package app_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripe"
	"tillhook/pkg/stripetest"
	"tillhook/pkg/worker"
)

// BenchmarkSettle works off stored events in batches as the worker does: one
// operation is one checkout.session.completed of an order of its own.
func BenchmarkSettle(b *testing.B) {
	ctx := context.Background()
	db, err := postgres.Open(devstack.Database(b, migrate), postgres.Options{Name: b.Name(), Batches: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.PutRestaurant(ctx, "a", "A", "slug-a"); err != nil {
		b.Fatal(err)
	}
	f := stripetest.NewFactory(1, time.Now())
	var attempts []event.Attempt
	for len(attempts) < b.N {
		var orders []postgres.NewOrder
		var records []event.Record
		for range min(256, b.N-len(attempts)) {
			id := fmt.Sprintf("%06d", len(attempts))
			pay := f.Payment("a", "order-"+id, "payment-"+id, 2500, "eur")
			e := f.CheckoutCompleted(pay)
			orders = append(orders, postgres.NewOrder{OrderID: pay.OrderID, PaymentID: pay.PaymentID, RestaurantID: "a", Session: pay.Session, Total: order.Money{Amount: 2500, Currency: "eur"}})
			r := event.Record{ID: "e-" + id, ProviderEventID: e.ID, Type: e.Type, Status: event.Processing, RestaurantID: "a", Payload: e.Body, OccurredAt: e.Created}
			records = append(records, r)
			attempts = append(attempts, event.Attempt{Ref: r.Ref(), Number: 1})
		}
		slices.SortFunc(records, func(x, y event.Record) int { return strings.Compare(x.ProviderEventID, y.ProviderEventID) })
		if err := db.CreateOrders(ctx, orders); err != nil {
			b.Fatal(err)
		}
		if _, err := db.InsertEvents(ctx, records); err != nil {
			b.Fatal(err)
		}
	}
	read := worker.Decode(stripe.Decode).Read
	b.ResetTimer()
	for batch := range slices.Chunk(attempts, 64) {
		events, err := db.ReadEvents(ctx, batch)
		if err != nil {
			b.Fatal(err)
		}
		work := make([]order.Work, len(batch))
		for i, e := range events {
			c, err := read(e)
			work[i] = order.Work{Attempt: batch[i], Entry: order.NewEntry(e, c), Err: err}
		}
		results, err := db.Settle(ctx, work)
		if err != nil || results[0].Err != nil {
			b.Fatal(err, results)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

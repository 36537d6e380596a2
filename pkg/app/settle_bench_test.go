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
//
// go test ./pkg/app -run xxx -bench Settle -benchtime 3000x
func BenchmarkSettle(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprint("batches of ", size), func(b *testing.B) { settleIn(b, size) })
	}
}

func settleIn(b *testing.B, size int) {
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
	var settling time.Duration
	b.ResetTimer()
	for batch := range slices.Chunk(attempts, size) {
		events, err := db.ReadEvents(ctx, batch)
		if err != nil {
			b.Fatal(err)
		}
		work := make([]order.Work, len(batch))
		for i, e := range events {
			c, err := read(e)
			work[i] = order.Work{Attempt: batch[i], Entry: order.NewEntry(e, c), Err: err}
		}
		begun := time.Now()
		results, err := db.Settle(ctx, work)
		settling += time.Since(begun)
		if err != nil || results[0].Err != nil {
			b.Fatal(err, results)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(settling.Microseconds())/float64(b.N), "us-settle/event")
}

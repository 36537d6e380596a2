package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

// What goes back is a column that operators sum up, and later events find the
// payment by the ids of its refunds and disputes alone.
func TestSettleWritesWhatWasRefunded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refund := func(status string) order.Contribution {
		return order.Contribution{Facts: order.Facts{Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: status, Amount: 1000}}}}
	}
	refunded := refund("succeeded")
	refunded.Facts.Charges = []string{"ch_1"}
	dispute := order.Contribution{Facts: order.Facts{Implied: true, Charges: []string{"ch_1"}, Disputes: map[string]string{"dp_1": "lost"}}}
	won := order.Contribution{Facts: order.Facts{Implied: true, Disputes: map[string]string{"dp_1": "won"}}}
	var got []string
	for _, step := range []struct {
		id string
		c  order.Contribution
	}{{"1", linked}, {"2", charge}, {"3", refunded}, {"4", dispute}, {"5", won}, {"6", refund("failed")}} {
		if r := w.settle(w.event(step.id, "r", step.c)); r[0].Err != nil {
			t.Fatal(step.id, r)
		}
		got = append(got, get[string](t, w.DB, `SELECT o.status || ' ' || p.status || ' ' || p."amountRefunded"
			FROM "Order" o JOIN "Payment" p ON p."orderId" = o.id`))
	}
	want := []string{"PAID COMPLETED 0", "PAID COMPLETED 0", "PAID PARTIALLY_REFUNDED 1000", "PAID DISPUTE_LOST 1000",
		"PAID PARTIALLY_REFUNDED 1000", "PAID COMPLETED 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

package stripe

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

// agree compares what Scan has hinted at with what Decode has read. Scan may
// hint at more: it does not know which fields a type has. Decode also reads
// what is embedded in an intent or a refunded charge, whose own id and links
// Scan has hinted at too.
func agree(t *testing.T, eventType string, hints event.Hints, c order.Contribution) {
	t.Helper()
	read := event.Hints{RestaurantID: c.RestaurantID, OrderID: c.OrderID, Objects: c.Facts.Objects()}
	if read.OrderID == "" && !strings.HasPrefix(eventType, "checkout.session.") {
		read.OrderID = hints.OrderID // nothing but a session has a client_reference_id
	}
	if strings.HasPrefix(eventType, "payment_intent.") || eventType == "charge.refunded" {
		read.Objects = slices.DeleteFunc(read.Objects, func(id string) bool {
			return !slices.Contains(hints.Objects, id)
		})
	}
	hints.Objects = slices.DeleteFunc(slices.Clone(hints.Objects), func(id string) bool {
		return !slices.Contains(read.Objects, id)
	})
	sets := cmp.Transformer("set", func(ids []string) map[string]bool {
		set := map[string]bool{}
		for _, id := range ids {
			set[id] = true
		}
		return set
	})
	if diff := cmp.Diff(hints, read, sets); diff != "" {
		t.Fatalf("%s (-Scan +Decode):\n%s", eventType, diff)
	}
}

// FuzzDecode also holds Decode to what Scan has said of the same body: if the
// two read different owners or objects, an event verified for one restaurant
// could be worked off for another.
func FuzzDecode(f *testing.F) {
	for _, body := range bodies(f) {
		f.Add(body)
	}
	for _, test := range accepted {
		f.Add([]byte(test.body))
	}
	f.Add(holding(`{"id":"cs\u005f1","payment_intent":{"id":"pi\u005f1"},"metadata":{"orderId":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		envelope, scanErr := Scan(body)
		for eventType := range readers {
			c, err := Decode(eventType, body)
			if err != nil && (!errors.Is(err, ErrUnreadable) || !event.IsPermanent(err)) {
				t.Fatalf("%s: %v", eventType, err)
			}
			for _, m := range c.Facts.Evidence {
				if m.Amount < 0 || m.Currency == "" {
					t.Fatalf("%s: evidence of %+v", eventType, m)
				}
			}
			for _, r := range c.Facts.Refunds {
				if r.Amount < 0 {
					t.Fatalf("%s: a refund of %d", eventType, r.Amount)
				}
			}
			if (c.Ignored || err != nil) && !c.Facts.Equal(order.Facts{}) {
				t.Fatalf("%s: facts in spite of %v", eventType, err)
			}
			if err == nil && scanErr == nil && !c.Ignored {
				agree(t, eventType, envelope.Hints, c)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	f := stripetest.NewFactory(1, time.Unix(1700000000, 0))
	p := f.Payment("rest_1", "order_1", "pay_1", 2350, "eur")
	for _, e := range []stripetest.Event{f.CheckoutCompleted(p), f.ChargeSucceeded(p), f.Other(p, "customer.created")} {
		b.Run(e.Type, func(b *testing.B) {
			b.SetBytes(int64(len(e.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(e.Type, e.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package stripetest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/stripe"
	. "tillhook/pkg/stripetest"
)

var now = time.Unix(1700000000, 0)

func newPayment(f *Factory) Payment { return f.Payment("rest_1", "order_1", "pay_1", 2350, "eur") }

// end is where a story has led.
type end struct {
	Order   order.Status
	Payment order.PaymentStatus
	Results map[event.Outcome]bool // of the last telling of each event; "" for an error
}

// tell plays events one at a time, as the worker would if each came alone; an
// event that can't be placed yet is tried again at the end.
func tell(t interface{ Fatalf(string, ...any) }, p Payment, events []Event) end {
	o := &order.Order{ID: p.OrderID, RestaurantID: p.RestaurantID, Status: order.PaymentPending}
	pay := &order.Payment{
		ID: p.PaymentID, OrderID: o.ID, RestaurantID: p.RestaurantID, Status: order.PaymentIsPending,
		ProviderPaymentID: p.Session, Expected: order.Money{Amount: p.Amount, Currency: p.Currency}, Livemode: p.Livemode,
	}
	o.Payments = []*order.Payment{pay}
	links := map[order.Link]string{{RestaurantID: p.RestaurantID, ObjectID: p.Session}: pay.ID}
	book := order.NewBook([]*order.Order{o}, links)
	var waiting []order.Entry
	got := end{Results: map[event.Outcome]bool{}}
	for _, e := range events {
		envelope, err := stripe.Scan(e.Body)
		if err != nil {
			t.Fatalf("Scan %s: %v", e.Type, err)
		}
		c, err := stripe.Decode(envelope.Type, e.Body)
		if err != nil {
			t.Fatalf("Decode %s: %v", e.Type, err)
		}
		entry := order.Entry{
			EventID: envelope.ID, Type: envelope.Type, RestaurantID: p.RestaurantID,
			Livemode: envelope.Livemode, Contribution: c,
		}
		if r := book.Settle([]order.Entry{entry})[0]; r.Err != nil {
			waiting = append(waiting, entry)
		} else {
			got.Results[r.Outcome] = true
		}
	}
	for _, r := range book.Settle(waiting) {
		got.Results[r.Outcome] = true
	}
	got.Order, got.Payment = o.Status, pay.Status
	return got
}

// permutations calls each with every order of events.
func permutations(events []Event, each func([]Event)) {
	var swap func(n int)
	swap = func(n int) {
		if n == len(events) {
			each(events)
			return
		}
		for i := n; i < len(events); i++ {
			events[n], events[i] = events[i], events[n]
			swap(n + 1)
			events[n], events[i] = events[i], events[n]
		}
	}
	swap(0)
}

func TestLifecyclesEndWhereTheySayInEveryOrder(t *testing.T) {
	t.Parallel()
	for _, l := range Lifecycles() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			f := NewFactory(1, now)
			p := newPayment(f)
			permutations(l.Events(f, p), func(events []Event) {
				got := tell(t, p, events)
				if got.Results[""] {
					t.Fatal("an event could not be placed")
				}
				want := end{l.Order, l.Payment, got.Results}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%v (-want +got):\n%s", types(events), diff)
				}
			})
		})
	}
}

func types(events []Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Type)
	}
	return all
}

// Without metadata the charge waits for the session, which links its intent.
func TestPaidWithoutMetadataInEveryOrder(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	p.NoMetadata = true
	permutations([]Event{f.ChargeFailed(p), f.ChargeSucceeded(p), f.CheckoutCompleted(p)}, func(events []Event) {
		want := end{order.Paid, order.PaymentCompleted, map[event.Outcome]bool{event.Applied: true}}
		if diff := cmp.Diff(want, tell(t, p, events)); diff != "" {
			t.Fatalf("%v (-want +got):\n%s", types(events), diff)
		}
	})
}

func TestLifecyclesConvergeShuffledAndDuplicated(t *testing.T) {
	t.Parallel()
	all := Lifecycles()
	rapid.Check(t, func(t *rapid.T) {
		f := NewFactory(rapid.Uint64().Draw(t, "seed"), now)
		l := all[rapid.IntRange(0, len(all)-1).Draw(t, "lifecycle")]
		p := newPayment(f)
		if rapid.Bool().Draw(t, "live") {
			p = p.Live()
		}
		got := tell(t, p, f.Shuffle(f.Duplicate(l.Events(f, p))))
		if diff := cmp.Diff(end{l.Order, l.Payment, got.Results}, got); diff != "" || got.Results[""] {
			t.Fatalf("%s (-want +got):\n%s", l.Name, diff)
		}
	})
}

// Who pays something else than was asked for has not paid.
func TestWrongAmountIsForReview(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	other := p
	other.Amount--
	want := end{order.PaymentPending, order.PaymentReview, map[event.Outcome]bool{event.NoChange: true}}
	if diff := cmp.Diff(want, tell(t, p, []Event{f.CheckoutCompleted(other)})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package stripetest_test

import (
	"slices"
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
	Order    order.Status
	Payments []order.PaymentStatus
	Refunded []int64
	Unplaced int // events that nothing leads from to a payment
}

func wanted(l Lifecycle, p Payment) end {
	e := end{l.Order, []order.PaymentStatus{l.Payment}, []int64{Back(p, l.Refunded)}, 0}
	if s := l.Second; s != nil {
		e.Payments, e.Refunded = append(e.Payments, s.Payment), append(e.Refunded, Back(p, s.Refunded))
	}
	return e
}

// of draws the payments of a lifecycle that begins with p, and all its events.
func of(l Lifecycle, f *Factory, p Payment) ([]Payment, []Event) {
	payments, events := []Payment{p}, l.Events(f, p)
	if l.Second != nil {
		again := f.Again(p)
		payments, events = append(payments, again), append(events, l.Second.Events(f, again)...)
	}
	return payments, events
}

type failer interface{ Fatalf(string, ...any) }

// entries are events as the worker reads them.
func entries(t failer, p Payment, events []Event) []order.Entry {
	all := make([]order.Entry, len(events))
	for i, e := range events {
		envelope, err := stripe.Scan(e.Body)
		if err != nil {
			t.Fatalf("Scan %s: %v", e.Type, err)
		}
		c, err := stripe.Decode(envelope.Type, e.Body)
		if err != nil {
			t.Fatalf("Decode %s: %v", e.Type, err)
		}
		all[i] = order.Entry{
			EventID: envelope.ID, Type: envelope.Type, RestaurantID: p.RestaurantID,
			Livemode: envelope.Livemode, Contribution: c,
		}
	}
	return all
}

// tell plays entries one at a time, as the worker would if each came alone; an
// event that can't be placed yet is tried again at the end.
func tell(payments []Payment, told []order.Entry) end {
	first := payments[0]
	o := &order.Order{ID: first.OrderID, RestaurantID: first.RestaurantID, Status: order.PaymentPending}
	links := map[order.Link]string{}
	for _, p := range payments {
		o.Payments = append(o.Payments, &order.Payment{
			ID: p.PaymentID, OrderID: o.ID, RestaurantID: p.RestaurantID, Status: order.PaymentIsPending,
			ProviderPaymentID: p.Session, Expected: order.Money{Amount: first.Amount, Currency: first.Currency}, Livemode: p.Livemode,
		})
		links[order.Link{RestaurantID: p.RestaurantID, ObjectID: p.Session}] = p.PaymentID
	}
	book := order.NewBook([]*order.Order{o}, links)
	var waiting []order.Entry
	var got end
	for i := range told {
		if r := book.Settle(told[i : i+1])[0]; r.Err != nil && !event.IsPermanent(r.Err) {
			waiting = append(waiting, told[i])
		}
	}
	for _, r := range book.Settle(waiting) {
		if r.Err != nil {
			got.Unplaced++
		}
	}
	got.Order = o.Status
	for _, p := range o.Payments {
		got.Payments, got.Refunded = append(got.Payments, p.Status), append(got.Refunded, p.Refunded())
	}
	return got
}

// permutations calls each with every order of events.
func permutations(events []order.Entry, each func([]order.Entry)) {
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

// permuted is how many events a lifecycle may have: of more there are too many
// orders to try them all.
const permuted = 7

// Every order of arrival, and in every one each event a second time: somewhere
// after the first, so that over all orders the two are at every distance. Then
// all of it twice over.
func TestLifecyclesEndWhereTheySayInEveryOrder(t *testing.T) {
	t.Parallel()
	for _, l := range Lifecycles() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			f := NewFactory(1, now)
			payments, events := of(l, f, newPayment(f))
			want, count := wanted(l, payments[0]), 0
			check := func(told []order.Entry) {
				if got := tell(payments, told); !same(want, got) {
					t.Fatalf("%v (-want +got):\n%s", types(told), cmp.Diff(want, got))
				}
				count++
			}
			each := func(told []order.Entry) {
				check(told)
				check(slices.Concat(told, told))
				for i := range told {
					check(slices.Insert(slices.Clone(told), i+1+count%(len(told)-i), told[i]))
				}
			}
			if len(events) > permuted {
				t.Fatalf("%d events: tell it with fewer", len(events))
			}
			permutations(entries(t, payments[0], events), each)
			t.Logf("%d events, %d sequences", len(events), count)
		})
	}
}

// same is cmp.Equal, at the speed that hundreds of thousands of them need.
func same(a, b end) bool {
	return a.Order == b.Order && a.Unplaced == b.Unplaced && slices.Equal(a.Payments, b.Payments) && slices.Equal(a.Refunded, b.Refunded)
}

func types(told []order.Entry) []string {
	var all []string
	for _, e := range told {
		all = append(all, e.Type)
	}
	return all
}

// Without metadata all wait for the session, which links its intent.
func TestPaidWithoutMetadataInEveryOrder(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	p.NoMetadata = true
	events := []Event{
		f.ChargeFailed(p), f.ChargeSucceeded(p), f.CheckoutCompleted(p), f.RefundEvent("refund.created", p, f.Refund(350)),
		f.DisputeEvent("closed", p, f.Dispute("won")), f.ChargeRefunded(p, 350),
	}
	want := end{order.Paid, []order.PaymentStatus{order.PaymentPartiallyRefunded}, []int64{350}, 0}
	permutations(entries(t, p, events), func(told []order.Entry) {
		if got := tell([]Payment{p}, told); !same(want, got) {
			t.Fatalf("%v (-want +got):\n%s", types(told), cmp.Diff(want, got))
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
		payments, events := of(l, f, p)
		got := tell(payments, entries(t, p, f.Shuffle(f.Duplicate(events))))
		if diff := cmp.Diff(wanted(l, p), got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", l.Name, diff)
		}
	})
}

// Whatever is told of an order's two payments, in whatever mix of stories, with
// gaps and with amounts that nobody has asked for: the set of events decides.
func TestAnySetOfEventsEndsInOneState(t *testing.T) {
	t.Parallel()
	all := Lifecycles()
	rapid.Check(t, func(t *rapid.T) {
		f := NewFactory(rapid.Uint64().Draw(t, "seed"), now)
		first := newPayment(f)
		first.NoMetadata = rapid.Bool().Draw(t, "no metadata")
		payments := []Payment{first, f.Again(first)}
		var events []Event
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 1, 4).Draw(t, "lifecycles") {
			p := payments[rapid.IntRange(0, 1).Draw(t, "payment")]
			if rapid.IntRange(0, 4).Draw(t, "other money?") == 0 {
				p.Amount -= 50
			}
			for _, e := range all[i].Events(f, p) {
				if rapid.IntRange(0, 3).Draw(t, "told?") > 0 {
					events = append(events, e)
				}
			}
		}
		told := entries(t, first, events)
		want := tell(payments, told)
		want.Unplaced = 0
		shuffled := tell(payments, entries(t, first, f.Shuffle(f.Duplicate(events))))
		shuffled.Unplaced = 0 // duplicates are counted too
		if diff := cmp.Diff(want, shuffled); diff != "" {
			t.Fatalf("%v (-in order +shuffled):\n%s", types(told), diff)
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
	want := end{order.PaymentPending, []order.PaymentStatus{order.PaymentReview}, []int64{0}, 0}
	if diff := cmp.Diff(want, tell([]Payment{p}, entries(t, p, []Event{f.CheckoutCompleted(other)}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

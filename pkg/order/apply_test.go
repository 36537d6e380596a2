package order_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// A story of one payment, event by event: what each result says, and where
// the payment stands afterwards.
func TestStoryOfAPayment(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	p := o.Payments[0]
	transition := func(event string, orderFrom, orderTo order.Status, from, to order.PaymentStatus) *order.Transition {
		return &order.Transition{
			OrderID: "o", PaymentID: "p1", EventID: event, Reason: "test." + event,
			OrderFrom: orderFrom, OrderTo: orderTo, PaymentFrom: from, PaymentTo: to,
		}
	}
	for _, step := range []struct {
		event    string
		facts    order.Facts
		want     order.Result
		provider string
	}{
		{
			"declined", order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}},
			order.Result{Outcome: event.Applied, Transition: transition("declined",
				order.PaymentPending, order.PaymentPending, order.PaymentIsPending, order.PaymentIsFailed)}, "pi_1",
		},
		{
			"charged", order.Facts{Intent: "pi_1", Charges: []string{"ch_2"}, Evidence: []order.Money{asked}},
			order.Result{Outcome: event.Applied, Transition: transition("charged",
				order.PaymentPending, order.Paid, order.PaymentIsFailed, order.PaymentCompleted)}, "pi_1",
		},
		// News, but none that changes a state: no transition.
		{"completed", paid("cs_1", "pi_1"), order.Result{Outcome: event.Applied}, "pi_1"},
		{"completed", paid("cs_1", "pi_1"), order.Result{Outcome: event.NoChange}, "pi_1"},
		{"again", order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}}, order.Result{Outcome: event.NoChange}, "pi_1"},
	} {
		if diff := cmp.Diff(step.want, order.Apply(o, p, entry(step.event, order.Contribution{Facts: step.facts}))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.event, diff)
		}
		if p.ProviderPaymentID != step.provider {
			t.Errorf("%s: known as %s, want %s", step.event, p.ProviderPaymentID, step.provider)
		}
	}
	want := order.Payment{
		ID: "p1", OrderID: "o", RestaurantID: "r", Status: order.PaymentCompleted, ProviderPaymentID: "pi_1", Expected: asked,
		Facts: order.Facts{
			Session: "cs_1", Intent: "pi_1", Charges: []string{"ch_1", "ch_2"},
			Evidence: []order.Money{asked}, FailedAttempts: []string{"ch_1"},
		},
	}
	if diff := cmp.Diff(want, *p); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// An event that a guard stops is recorded with its reason, for ever, and
// changes nothing.
func TestGuards(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, c := range []struct {
		reason string // "" where the event passes
		change func(*order.Order, *order.Entry)
	}{
		{"the payment belongs to another restaurant than the one whose secret signed the event",
			func(_ *order.Order, e *order.Entry) { e.RestaurantID = "s" }},
		{"the payment belongs to another restaurant than the one whose secret signed the event",
			func(o *order.Order, _ *order.Entry) { o.RestaurantID = "s" }},
		{"the payment belongs to another restaurant than the one whose secret signed the event",
			func(o *order.Order, _ *order.Entry) { o.Payments[0].RestaurantID = "s" }},
		{"metadata.restaurantId names another restaurant than the one whose secret signed the event",
			func(_ *order.Order, e *order.Entry) { e.Contribution.RestaurantID = "s" }},
		{"metadata names order x, but the payment belongs to order o",
			func(_ *order.Order, e *order.Entry) { e.OrderID = "x" }},
		{"livemode of the event and of its object differ",
			func(_ *order.Order, e *order.Entry) { e.ObjectLivemode = &yes }},
		{"livemode of the event and of its object differ",
			func(o *order.Order, e *order.Entry) {
				o.Payments[0].Livemode, e.Livemode, e.ObjectLivemode = true, true, &no
			}},
		{"event has livemode true, the payment has false",
			func(_ *order.Order, e *order.Entry) { e.Livemode = true }},
		{"event has livemode false, the payment has true",
			func(o *order.Order, _ *order.Entry) { o.Payments[0].Livemode = true }},
		{"the event is of the Connect account acct_2, which is not the restaurant's",
			func(_ *order.Order, e *order.Entry) { e.Account, e.Contribution.Account = "acct_1", "acct_2" }},
		{"the event is of the Connect account acct_2, which is not the restaurant's",
			func(_ *order.Order, e *order.Entry) { e.Contribution.Account = "acct_2" }},
		{"", func(_ *order.Order, e *order.Entry) { e.Account, e.Contribution.Account = "acct_1", "acct_1" }},
		{"", func(_ *order.Order, e *order.Entry) { e.Account = "acct_1" }}, // the endpoint's own event
		{"", func(_ *order.Order, e *order.Entry) {
			e.Contribution.RestaurantID, e.OrderID, e.ObjectLivemode = "r", "o", &no
		}},
		{"", func(o *order.Order, e *order.Entry) {
			o.Payments[0].Livemode, e.Livemode, e.ObjectLivemode = true, true, &yes
		}},
		{"", func(*order.Order, *order.Entry) {}},
	} {
		o, e := newOrder("cs_1"), entry("e", order.Contribution{Facts: paid("cs_1", "pi_1")})
		c.change(o, &e)
		before := stateOf(o, nil)
		r := order.Apply(o, o.Payments[0], e)
		if c.reason == "" {
			if r.Err != nil || states(o) != "PAID / COMPLETED" {
				t.Errorf("%+v: %s, %v", e, states(o), r.Err)
			}
			continue
		}
		if r.Err == nil || r.Err.Error() != c.reason || !event.IsPermanent(r.Err) {
			t.Errorf("%v (permanent: %t), want for ever: %s", r.Err, event.IsPermanent(r.Err), c.reason)
		}
		r.Err = nil
		if diff := cmp.Diff(order.Result{}, r); diff != "" {
			t.Errorf("%s: the result (-want +got)\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(before, stateOf(o, nil)); diff != "" {
			t.Errorf("%s: has changed (-before +after)\n%s", c.reason, diff)
		}
	}
}

// Money that isn't what was asked for is remembered, and needs a human: each
// event that says so FAILs, and none of them pays the order.
func TestMoneyThatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, wrong := range []order.Money{other, {Amount: 2501, Currency: "usd"}, {Amount: 2500, Currency: "eur"}, {Amount: 0, Currency: "usd"}} {
		o := newOrder("cs_1")
		c := order.Contribution{Facts: order.Facts{Session: "cs_1", Evidence: []order.Money{wrong}}}
		first, again := order.Apply(o, o.Payments[0], entry("e", c)), order.Apply(o, o.Payments[0], entry("e2", c))
		want := order.Result{Outcome: event.Applied, Err: order.ErrAmount, Transition: &order.Transition{
			OrderID: "o", PaymentID: "p1", EventID: "e", Reason: "test.e",
			OrderFrom: order.PaymentPending, OrderTo: order.PaymentPending,
			PaymentFrom: order.PaymentIsPending, PaymentTo: order.PaymentReview,
		}}
		if diff := cmp.Diff([]order.Result{want, {Outcome: event.NoChange, Err: order.ErrAmount}},
			[]order.Result{first, again}, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%v (-want +got)\n%s", wrong, diff)
		}
		if !event.IsPermanent(first.Err) || !event.IsPermanent(again.Err) {
			t.Errorf("%v: tried again, as if the amount could change", wrong)
		}
		if diff := cmp.Diff(c.Facts, o.Payments[0].Facts); diff != "" {
			t.Errorf("%v: the facts (-want +got)\n%s", wrong, diff)
		}
	}
	// The money asked for beside it still completes the payment.
	o := newOrder("cs_1")
	r := order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: order.Facts{Evidence: []order.Money{other, asked}}}))
	if !errors.Is(r.Err, order.ErrAmount) || states(o) != "PAID / COMPLETED" {
		t.Errorf("%s, %v", states(o), r.Err)
	}
}

// A session with nothing to pay, of an order that costs something, is money
// of the wrong amount too.
func TestFreeThoughMoneyWasAskedForNeedsAHuman(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	r := order.Apply(o, o.Payments[0], entry("e", order.Contribution{Facts: order.Facts{Session: "cs_1", Free: true}}))
	if !errors.Is(r.Err, order.ErrAmount) || !event.IsPermanent(r.Err) || states(o) != "PAYMENT_PENDING / REVIEW" {
		t.Errorf("%s, %v", states(o), r.Err)
	}
}

// An intent that is known stays the payment's name, though only its session is
// heard of: operators look it up in the Dashboard.
func TestTheIntentIsKeptWhenOnlyItsSessionIsHeardOf(t *testing.T) {
	t.Parallel()
	o := newOrder("pi_1")
	order.Apply(o, o.Payments[0], entry("e", order.Contribution{OrderID: "o", Facts: order.Facts{Session: "cs_1", Expired: true}}))
	if got := o.Payments[0].ProviderPaymentID; got != "pi_1" {
		t.Errorf("known as %s, want pi_1", got)
	}
}

// Where nobody has said whether a payment is live, its first event does, and
// every later one must agree.
func TestTheFirstEventSettlesTheMode(t *testing.T) {
	t.Parallel()
	o := newOrder("")
	p := o.Payments[0]
	p.ModeUnknown = true
	live := entry("live", order.Contribution{Facts: order.Facts{Session: "cs_1", Processing: true}})
	live.Livemode = true
	test := entry("test", order.Contribution{Facts: paid("cs_1", "")})
	got := []string{outcome(order.Apply(o, p, live)), outcome(order.Apply(o, p, test))}
	if diff := cmp.Diff([]string{"applied", "fails: event has livemode false, the payment has true"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if !p.Livemode || p.ModeUnknown || states(o) != "PAYMENT_PENDING / PROCESSING" {
		t.Errorf("%s, %+v", states(o), *p)
	}
}

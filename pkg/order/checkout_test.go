package order_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// Through which payment a customer may pay, if paying can't charge him twice.
func TestPayable(t *testing.T) {
	t.Parallel()
	expired, async := order.Facts{Expired: true}, order.Facts{AsyncFailed: true}
	for _, c := range []struct {
		name   string
		order  *order.Order
		change func(o *order.Order)
		dead   []string
		want   string // payment, "" for a new one
		err    error
	}{
		{name: "no payment yet", order: newOrder()},
		{name: "one without a session", order: newOrder(""), want: "p1"},
		{name: "one with a session", order: newOrder("cs_1"), want: "p1"},
		{name: "a session goes before none", order: newOrder("", "cs_2"), want: "p2"},
		{name: "the first of two sessions", order: newOrder("cs_1", "cs_2"), want: "p1"},
		{name: "the first is known to have ended", order: newOrder("cs_1", "cs_2"), dead: []string{"p1"}, want: "p2"},
		{name: "both are", order: newOrder("cs_1", "cs_2"), dead: []string{"p1", "p2"}},
		{name: "expired", order: newOrder("cs_1"), change: func(o *order.Order) {
			o.Status, o.Payments[0].Status, o.Payments[0].Facts = order.Expired, order.PaymentExpired, expired
		}},
		{name: "the transfer failed", order: newOrder("pi_1"), change: func(o *order.Order) {
			o.Status, o.Payments[0].Status, o.Payments[0].Facts = order.PaymentFailed, order.PaymentIsFailed, async
		}},
		{name: "a card was declined: the same session goes on", order: newOrder("pi_1"), change: func(o *order.Order) {
			o.Payments[0].Status, o.Payments[0].Facts = order.PaymentIsFailed, order.Facts{Session: "cs_1", Intent: "pi_1", FailedAttempts: []string{"ch_1"}}
		}, want: "p1"},
		{name: "the money is under way", order: newOrder("pi_1"), change: func(o *order.Order) {
			o.Payments[0].Status, o.Payments[0].Facts = order.PaymentProcessing, order.Facts{Session: "cs_1", Processing: true}
		}, err: order.ErrUnderWay},
		{name: "it was under way, and declined: its session says how it stands", order: newOrder("pi_1"), change: doubtful("cs_1"), want: "p1"},
		{name: "the same, and it goes before a session that is open", order: newOrder("cs_2", "pi_1"), change: doubtful("", "cs_1"), want: "p2"},
		{name: "the same, and the session is known to have ended", order: newOrder("pi_1"), change: doubtful("cs_1"), dead: []string{"p1"}},
		{name: "the same, and no session is known", order: newOrder("pi_1"), change: doubtful("-"), err: order.ErrUnderWay},
		{name: "the same of two payments", order: newOrder("pi_1", "pi_2"), change: doubtful("cs_1", "cs_2"), err: order.ErrUnderWay},
		{name: "the same, and another is under way", order: newOrder("pi_1", "cs_2"), change: func(o *order.Order) {
			doubtful("cs_1")(o)
			o.Payments[1].Status = order.PaymentProcessing
		}, err: order.ErrUnderWay},
		{name: "the same, and another is paid", order: newOrder("pi_1", "cs_2"), change: func(o *order.Order) {
			doubtful("cs_1")(o)
			o.Payments[1].Status = order.PaymentCompleted
		}, err: order.ErrPaid},
		{name: "paid by an intent of the application's own", order: newOrder("pi_1"), err: order.ErrUnderWay},
		{name: "paid", order: newOrder("pi_1"), change: func(o *order.Order) { o.Status = order.Paid }, err: order.ErrPaid},
		{name: "given back", order: newOrder("pi_1"), change: func(o *order.Order) { o.Status = order.Refunded }, err: order.ErrPaid},
		{name: "a payment is settled, the order by hand is not", order: newOrder("pi_1"), change: func(o *order.Order) {
			o.Payments[0].Status = order.PaymentCompleted
		}, err: order.ErrPaid},
		{name: "other money came", order: newOrder("pi_1", "cs_2"), change: func(o *order.Order) {
			o.Payments[0].Status = order.PaymentReview
		}, err: order.ErrReview},
		{name: "the restaurant has cancelled it", order: newOrder("cs_1"), change: func(o *order.Order) { o.Status = "CANCELLED" }, err: order.ErrClosed},
	} {
		if c.change != nil {
			c.change(c.order)
		}
		got := ""
		p, err := c.order.Payable(c.dead)
		if p != nil {
			got = p.ID
		}
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: payment %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// doubtful makes payments ones that were under way, with an attempt declined, by
// their sessions: "" leaves one as it is, "-" is an unknown one.
func doubtful(sessions ...string) func(*order.Order) {
	return func(o *order.Order) {
		for i, session := range sessions {
			if session == "" {
				continue
			}
			f := order.Facts{Session: strings.Trim(session, "-"), Intent: o.Payments[i].ProviderPaymentID, Processing: true, FailedAttempts: []string{"py_1"}}
			o.Payments[i].Status, o.Payments[i].Facts = order.PaymentProcessing, f
		}
	}
}

// A declined card is often the first that is heard of a payment, and names the
// intent only. The session is open all the same: the customer goes on there, and
// what comes of another session is not its own.
func TestADeclinedCardLeavesTheSession(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1")
	b := bookOf(o)
	declined := order.Contribution{PaymentID: "p1", Facts: order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, FailedAttempts: []string{"ch_1"}}}
	got := outcomes(b.Settle([]order.Entry{
		entry("declined", declined),
		entry("other", order.Contribution{PaymentID: "p1", Facts: order.Facts{Session: "cs_0", Expired: true}}),
	}))
	if diff := cmp.Diff([]string{"applied", "waits"}, got); diff != "" || states(o) != "PAYMENT_PENDING / FAILED" {
		t.Errorf("%s (-want +got)\n%s", states(o), diff)
	}
	p, err := o.Payable(nil)
	if err != nil || p == nil || p.ProviderPaymentID != "pi_1" || p.CheckoutSession() != "cs_1" {
		t.Fatalf("%+v, %v", p, err)
	}
	// The same after the tables were mended by the events.
	again := newOrder("cs_1")
	order.Recompute(again, map[string]order.Facts{"p1": declined.Facts}, "audit")
	if diff := cmp.Diff(o, again); diff != "" {
		t.Error("recomputed (-want +got)\n", diff)
	}
	// Its own event is news, and all that there is to know of the session from then on.
	if got := outcomes(b.Settle([]order.Entry{entry("expired", order.Contribution{Facts: order.Facts{Session: "cs_1", Expired: true}})})); got[0] != "applied" {
		t.Error(got)
	}
	if p.Session != "" || p.CheckoutSession() != "cs_1" || states(o) != "EXPIRED / EXPIRED" {
		t.Errorf("%s, %+v", states(o), p)
	}
}

// What nobody was led to ends without an event, and an audit misses none; money
// that comes all the same counts.
func TestAbandon(t *testing.T) {
	t.Parallel()
	const reason = "nobody began to pay"
	o := newOrder()
	got := order.Abandon(o)
	want := order.Changes{Orders: []*order.Order{o}, Transitions: []order.Transition{
		{OrderID: "o", OrderFrom: order.PaymentPending, OrderTo: order.Expired, Reason: reason}}}
	if diff := cmp.Diff(want, got); diff != "" || o.Status != order.Expired {
		t.Errorf("%s (-want +got)\n%s", o.Status, diff)
	}
	for _, c := range []struct {
		first order.Facts // of the payment before
		want  string
	}{{order.Facts{Session: "cs_1", Expired: true}, "EXPIRED / EXPIRED EXPIRED"}, {order.Facts{Session: "cs_1", AsyncFailed: true}, "PAYMENT_FAILED / FAILED EXPIRED"}} {
		r, events := recorded([]string{"cs_1", ""}, []order.Entry{entry("ended", order.Contribution{Facts: c.first})})
		changes := order.Abandon(r.Order)
		last := changes.Transitions[len(changes.Transitions)-1]
		if got := states(r.Order); got != c.want || last.PaymentID != "p2" || last.PaymentTo != order.PaymentExpired || last.Reason != reason {
			t.Errorf("%s, want %s; %+v", got, c.want, changes.Transitions)
		}
		if got, _ := audit(r, events); got != nil {
			t.Error(got)
		}
		money := entry("money", order.Contribution{PaymentID: "p2", Facts: paid("cs_2", "pi_2")})
		b := order.NewBook([]*order.Order{r.Order}, linked(r.Order))
		if got := outcomes(b.Settle([]order.Entry{money})); got[0] != "applied" || r.Status != order.Paid {
			t.Errorf("%v, order %s", got, r.Status)
		}
		for l, id := range b.Changes().Links {
			r.Links[l.ObjectID] = id
		}
		if got, _ := audit(r, append(events, ended{money, event.Completed, "o"})); got != nil {
			t.Error("when it is paid:", got)
		}
	}
}

// An order whose payment has ended waits again when there is another.
func TestReopen(t *testing.T) {
	t.Parallel()
	o := newOrder("cs_1", "")
	o.Status, o.Payments[0].Status, o.Payments[0].Facts = order.Expired, order.PaymentExpired, order.Facts{Expired: true}
	got := o.Reopen(o.Payments[1])
	if got == nil || got.OrderFrom != order.Expired || got.OrderTo != order.PaymentPending || got.PaymentID != "p2" {
		t.Errorf("%+v", got)
	}
	if again := o.Reopen(o.Payments[1]); again != nil || o.Status != order.PaymentPending {
		t.Errorf("once more: %+v", again)
	}
}

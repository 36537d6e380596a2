package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

const checkoutPath = "/api/v1/orders/o1/checkout"

func TestACheckoutLeadsToStripe(t *testing.T) {
	t.Parallel()
	sh := newShop(t, func(c *Config) { c.Now = func() time.Time { return epoch } })
	want := `{"sessionId":"cs_new","url":"https://checkout.stripe.com/c/pay/cs_new","expiresAt":"2026-01-09T23:30:00Z"}`
	for _, who := range []string{sh.token("o1"), shopKey} {
		if got := sh.call("POST", checkoutPath, "", who); got.status != 200 || got.body != want {
			t.Errorf("%+v", got)
		}
	}
	request := sh.world.begun[0].Request
	if diff := cmp.Diff(order.CheckoutRequest{ExpiresAt: epoch.Add(time.Hour),
		SuccessURL: "https://shop.example/orders/o1?checkout=success", CancelURL: "https://shop.example/orders/o1?checkout=cancelled"}, request); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if diff := cmp.Diff([]string{"create checkout:p1:1", "create checkout:p1:1"}, sh.world.asked); diff != "" {
		t.Error("asked of Stripe (-want +got)\n", diff)
	}
	if diff := cmp.Diff([]string{"p1 1 cs_new", "p1 1 cs_new"}, sh.world.kept); diff != "" {
		t.Error("kept (-want +got)\n", diff)
	}
	for name, who := range map[string]string{"another restaurant's key": "Authorization: Bearer thk_s", "another order's token": sh.token("o2")} {
		if got := sh.call("POST", checkoutPath, "", who); got.status != 404 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := sh.call("POST", checkoutPath, "", "Authorization: Bearer thk_wrong"); got.status != 401 {
		t.Errorf("a wrong key: %+v", got)
	}
}

// The session that there is goes before a new one, if it can be paid.
func TestTheSessionThatThereIs(t *testing.T) {
	t.Parallel()
	open := order.Session{ID: "cs_1", URL: "https://checkout.stripe.com/1", State: order.SessionOpen, ExpiresAt: time.Now().Add(time.Minute)}
	late := open
	late.ExpiresAt = time.Now().Add(-time.Second)
	embedded := open
	embedded.URL = "" // it is paid on a page of the ordering application's own
	answered := errors.Join(event.Permanent(event.ErrNoAnswer), event.ErrAnswered)
	for _, c := range []struct {
		name     string
		session  order.Session
		outdated bool
		endless  error
		status   int
		asked    []string
	}{
		{"open", open, false, nil, 200, []string{"read cs_1"}},
		{"paid a moment ago", order.Session{ID: "cs_1", State: order.SessionComplete}, false, nil, 409, []string{"read cs_1"}},
		{"expired a moment ago", order.Session{ID: "cs_1", State: order.SessionExpired}, false, nil, 200, []string{"read cs_1", "create checkout:p2:1"}},
		// Only our clock says so.
		{"its time is up", late, false, nil, 200, []string{"read cs_1", "end cs_1", "create checkout:p2:1"}},
		{"its time is up, and it can't be ended", late, false, answered, 409, []string{"read cs_1", "end cs_1"}},
		{"without a page", embedded, false, nil, 200, []string{"read cs_1", "end cs_1", "create checkout:p2:1"}},
		{"without a page, and paid a moment later", embedded, false, answered, 409, []string{"read cs_1", "end cs_1"}},
		{"without a page, and Stripe is away", embedded, false, event.ErrNoAnswer, 503, []string{"read cs_1", "end cs_1"}},
		{"of another amount", open, true, nil, 200, []string{"read cs_1", "end cs_1", "create checkout:p2:1"}},
		{"of another amount, and paid", order.Session{ID: "cs_1", State: order.SessionComplete}, true, nil, 409, []string{"read cs_1"}},
		{"of another amount, and paid a moment later", open, true, answered, 409, []string{"read cs_1", "end cs_1"}},
	} {
		sh := newShop(t)
		sh.world.sessions["cs_1"], sh.world.endless = c.session, c.endless
		sh.world.begin = func(s order.CheckoutStart) (order.Checkout, error) {
			if fmt.Sprint(s.Dead) == "[p1]" {
				s.Request.PaymentID = "p2"
				return order.Checkout{RestaurantID: "r", PaymentID: "p2", Request: s.Request, Attempt: 1}, nil
			}
			return order.Checkout{RestaurantID: "r", PaymentID: "p1", SessionID: "cs_1", Outdated: c.outdated}, nil
		}
		got := sh.call("POST", checkoutPath, "", sh.token("o1"))
		if got.status != c.status {
			t.Errorf("%s: %+v", c.name, got)
		}
		if diff := cmp.Diff(c.asked, sh.world.asked); diff != "" {
			t.Errorf("%s: asked of Stripe (-want +got)\n%s", c.name, diff)
		}
	}
}

// A session that comes when its attempt is over is led to by nobody, and ended;
// the customer gets the one that there is by then.
func TestASessionThatComesTooLate(t *testing.T) {
	t.Parallel()
	for _, endless := range []error{nil, event.Permanent(event.ErrNoAnswer)} {
		sh := newShop(t)
		sh.world.sessions["cs_2"] = order.Session{ID: "cs_2", URL: "https://checkout.stripe.com/2", State: order.SessionOpen, ExpiresAt: time.Now().Add(time.Minute)}
		sh.world.keep, sh.world.endless = fmt.Errorf("keeping it: %w", order.ErrSuperseded), endless
		sh.world.begin = func(s order.CheckoutStart) (order.Checkout, error) {
			if len(sh.world.begun) == 1 {
				return order.Checkout{RestaurantID: "r", PaymentID: "p1", Request: s.Request, Attempt: 1}, nil
			}
			return order.Checkout{RestaurantID: "r", PaymentID: "p2", SessionID: "cs_2"}, nil
		}
		if got := sh.call("POST", checkoutPath, "", sh.token("o1")); got.status != 200 || !strings.Contains(got.body, `"sessionId":"cs_2"`) {
			t.Errorf("%v: %+v", endless, got)
		}
		if diff := cmp.Diff([]string{"create checkout:p1:1", "end cs_new", "read cs_2"}, sh.world.asked); diff != "" {
			t.Errorf("%v: asked of Stripe (-want +got)\n%s", endless, diff)
		}
		if told := strings.Contains(sh.logs.String(), `"session":"cs_new"`); told != (endless != nil) {
			t.Errorf("%v: in the log %t", endless, told)
		}
	}
}

// Whatever goes wrong, the customer is told what can be done, and nothing that
// Stripe has said.
func TestWhyThereIsNoCheckout(t *testing.T) {
	t.Parallel()
	const secret = "sk_test_hunter2"
	for _, c := range []struct {
		err        error
		status     int
		kind       string
		retryAfter string
	}{
		{order.ErrPaid, 409, "order-paid", ""},
		{order.ErrUnderWay, 409, "payment-under-way", ""},
		{order.ErrReview, 409, "payment-in-review", ""},
		{order.ErrClosed, 409, "order-closed", ""},
		{event.Permanent(event.ErrNoAPIKey), 502, "payments-not-taken", "60"},
		{event.Permanent(event.ErrAPIKey), 502, "payments-not-taken", "60"},
		{event.Permanent(event.ErrForbidden), 502, "payments-not-taken", "60"},
		{event.Permanent(fmt.Errorf("%w (HTTP 402)", event.ErrNoAnswer)), 502, "payments-not-taken", "60"},
		{event.ErrTooMany, 503, "payment-provider-busy", "2"},
		{event.ErrNoAnswer, 503, "payment-provider-unavailable", "2"},
		{errors.New("the database is away"), 503, "unavailable", "2"},
	} {
		sh := newShop(t)
		sh.world.create = func(order.CheckoutRequest) (order.Session, error) {
			return order.Session{}, fmt.Errorf("%w %s", c.err, secret)
		}
		got := sh.call("POST", checkoutPath, "", sh.token("o1"))
		var p problem
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != c.status || p.Type != problemTypes+c.kind || got.header.Get("Retry-After") != c.retryAfter {
			t.Errorf("%v: %+v", c.err, got)
		}
		if strings.Contains(got.body, secret) || len(sh.world.kept) != 0 {
			t.Errorf("%v: %s, kept %v", c.err, got.body, sh.world.kept)
		}
	}
}

// What Stripe has answered with an error it would answer again: the next
// checkout asks anew.
func TestARequestThatStripeHasRefusedIsGivenUp(t *testing.T) {
	t.Parallel()
	sh := newShop(t)
	for _, c := range []struct {
		err     error
		dropped []string
	}{{event.ErrNoAnswer, nil}, {errors.Join(event.ErrNoAnswer, event.ErrAnswered), []string{"p1 1"}}} {
		sh.world.create = func(order.CheckoutRequest) (order.Session, error) { return order.Session{}, c.err }
		sh.call("POST", checkoutPath, "", sh.token("o1"))
		if diff := cmp.Diff(c.dropped, sh.world.dropped); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.err, diff)
		}
	}
}

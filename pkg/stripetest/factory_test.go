package stripetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/stripe"
	. "tillhook/pkg/stripetest"
)

// every is one event of each kind.
func every(f *Factory, p Payment) []Event {
	return []Event{
		f.CheckoutCompleted(p), f.CheckoutUnpaid(p), f.CheckoutExpired(p), f.ChargeSucceeded(p),
		f.ChargeAuthorized(p), f.ChargeFailed(p), f.AsyncSucceeded(p), f.AsyncFailed(p), f.ChargePending(p), f.ChargeCaptured(p),
		f.ChargeUpdated(p), f.ChargeRefunded(p, 350), f.ChargeReleased(p), f.Declined(p)[1], f.DeclinedLate(p)[1],
		f.IntentProcessing(p), f.IntentSucceeded(p), f.IntentCanceled(p), f.Other(p, "customer.created"), f.Other(p, "payment_intent.created"),
	}
}

// reversals are events whose objects have no metadata of the payment.
func reversals(f *Factory, p Payment) []Event {
	return []Event{f.RefundEvent("refund.created", p, f.Refund(350)), f.DisputeEvent("created", p, f.Dispute("needs_response"))}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) []Event {
		f := NewFactory(seed, now)
		p := newPayment(f)
		return f.Shuffle(f.Duplicate(append(every(f, p), reversals(f, p)...)))
	}
	if diff := cmp.Diff(run(7), run(7)); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	if cmp.Equal(run(7), run(8)) {
		t.Error("another seed makes the same")
	}
}

func TestBodiesAreWhatTheEventSays(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	odd := p.Live()
	odd.Account = "acct_1"
	odd.OrderID = "a \"quoted\" \\ órder\n🍕"
	for _, p := range []Payment{p, odd} {
		for _, e := range every(f, p) {
			var b struct {
				ID, Type, Account string
				Created           int64
				Livemode          bool
				Data              struct {
					Object struct {
						Metadata map[string]string
						Livemode bool
					}
				}
			}
			if err := json.Unmarshal(e.Body, &b); err != nil {
				t.Fatalf("%s: %v", e.Type, err)
			}
			got := Event{b.ID, b.Type, time.Unix(b.Created, 0).UTC(), e.Body}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("%s (-event +body):\n%s", e.Type, diff)
			}
			want := map[string]string{"restaurantId": p.RestaurantID, "orderId": p.OrderID, "paymentId": p.PaymentID}
			if diff := cmp.Diff(want, b.Data.Object.Metadata); diff != "" {
				t.Errorf("%s metadata (-want +got):\n%s", e.Type, diff)
			}
			if b.Account != p.Account || b.Livemode != p.Livemode || b.Data.Object.Livemode != p.Livemode {
				t.Errorf("%s: account %q, livemode %t and %t", e.Type, b.Account, b.Livemode, b.Data.Object.Livemode)
			}
		}
	}
}

// Refunds and disputes say of the payment only which charge and intent it is.
func TestReversalsAreOfTheChargeAndIntent(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f).Live()
	for _, e := range reversals(f, p) {
		type object struct {
			Charge, Status string
			Intent         string `json:"payment_intent"`
			Amount         int64
			Metadata       map[string]string
		}
		var b struct{ Data struct{ Object object } }
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatal(err)
		}
		want := object{p.Charge, "succeeded", p.Intent, 350, map[string]string{}}
		if e.Type == "charge.dispute.created" {
			want.Status, want.Amount = "needs_response", p.Amount
		}
		if diff := cmp.Diff(want, b.Data.Object); diff != "" {
			t.Errorf("%s (-want +got)\n%s", e.Type, diff)
		}
	}
}

func TestASecondPaymentIsOfTheSameOrder(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f).Live()
	p.NoMetadata, p.Account = true, "acct_1"
	again := f.Again(p)
	if again.Session == p.Session || again.Intent == p.Intent || again.Charge == p.Charge || again.PaymentID == p.PaymentID {
		t.Errorf("%+v and %+v share an id", p, again)
	}
	again.Session, again.Intent, again.Charge, again.PaymentID = p.Session, p.Intent, p.Charge, p.PaymentID
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
}

func TestIDsLookRight(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	for id, pattern := range map[string]string{
		f.ChargeFailed(p).ID: `^evt_1[0-9A-Za-z]{23}$`,
		p.Session:            `^cs_test_a1[0-9A-Za-z]{56}$`,
		p.Live().Session:     `^cs_live_a1[0-9A-Za-z]{56}$`,
		p.Intent:             `^pi_3[0-9A-Za-z]{23}$`,
		f.Refund(1).ID:       `^re_3[0-9A-Za-z]{23}$`,
		f.Dispute("").ID:     `^dp_1[0-9A-Za-z]{23}$`,
		p.Charge:             `^ch_3[0-9A-Za-z]{23}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(id) {
			t.Errorf("%s does not match %s", id, pattern)
		}
	}
}

func TestBodiesHaveRealisticSizes(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	least := map[string]int{"checkout.session": 2500, "charge": 2500, "payment_intent": 1500, "refund": 800, "charge.dispute": 1700}
	for _, e := range append(every(f, p)[:18], reversals(f, p)...) {
		object := e.Type[:strings.LastIndexByte(e.Type, '.')]
		if n := len(e.Body); n < least[object] || n > 4500 {
			t.Errorf("%s has %d bytes", e.Type, n)
		}
	}
}

func TestEachDeclineIsAnAttemptOfItsOwn(t *testing.T) {
	t.Parallel()
	f := NewFactory(1, now)
	p := newPayment(f)
	seen := map[string]bool{p.Charge: true}
	for range 3 {
		c, err := stripe.Decode("charge.failed", f.ChargeFailed(p).Body)
		if err != nil {
			t.Fatal(err)
		}
		if id := c.Facts.FailedAttempts[0]; seen[id] {
			t.Errorf("%s twice", id)
		} else {
			seen[id] = true
		}
	}
}

// The product and this package compute signatures independently.
func TestPostIsVerifiable(t *testing.T) {
	t.Parallel()
	const secret = "whsec_for_tests_only"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s, err := stripe.ParseSignature(r.Header.Get("Stripe-Signature"))
		if err == nil {
			err = s.CheckTime(now)
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, r.Method, " ", r.URL.Path, " ", err, " ", s.Match(secret, body), " ", s.Match(secret+"x", body))
	}))
	t.Cleanup(server.Close)
	f := NewFactory(1, now)
	status, body, err := Post(context.Background(), server.Client(), server.URL+"/hook", secret, f.CheckoutCompleted(newPayment(f)), now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(status, " ", string(body)), "202 POST /hook <nil> true false"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	server.Close()
	if _, _, err := Post(context.Background(), server.Client(), server.URL, secret, f.CheckoutCompleted(newPayment(f)), now); err == nil {
		t.Error("no error from a server that is gone")
	}
}

// RFC 4231 has no key of this kind; the value is from
// printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_x
func TestSignIsHMACOfTimeAndBody(t *testing.T) {
	t.Parallel()
	const want = "t=1700000000,v1=be8cb8325f2202445260a855532f967e30ad2a9394ce28da66ee02880ddcb661"
	if got := Sign("whsec_x", []byte("{}"), now); got != want {
		t.Errorf("got %s", got)
	}
}

func BenchmarkBuild(b *testing.B) {
	f := NewFactory(1, now)
	p := newPayment(f)
	for name, build := range map[string]func(Payment) Event{
		"session": f.CheckoutCompleted, "charge": f.ChargeSucceeded,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				build(p)
			}
		})
	}
}

func BenchmarkBuildAndSign(b *testing.B) {
	f := NewFactory(1, now)
	b.ReportAllocs()
	for b.Loop() {
		p := newPayment(f)
		e := f.CheckoutCompleted(p)
		Sign("whsec_for_tests_only", e.Body, now)
	}
}

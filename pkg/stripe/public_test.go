package stripe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
	"tillhook/pkg/stripetest"
)

// told puts the facts of a contribution, without the ids, into a line.
func told(c order.Contribution, err error) string {
	f := c.Facts
	var s []string
	if err != nil {
		s = append(s, err.Error())
	}
	if c.Ignored {
		s = append(s, "ignored")
	}
	for _, m := range f.Evidence {
		s = append(s, fmt.Sprintf("%d %s", m.Amount, m.Currency))
	}
	for _, said := range []struct {
		is   bool
		word string
	}{
		{f.Implied, "implied"}, {f.Free, "free"}, {f.Processing, "processing"}, {f.AsyncFailed, "failed"},
		{f.Expired, "expired"}, {f.Canceled, "canceled"}, {len(f.FailedAttempts) == 1, "declined"},
	} {
		if said.is {
			s = append(s, said.word)
		}
	}
	for _, amount := range f.Gross {
		s = append(s, fmt.Sprint(amount, " back"))
	}
	for _, r := range f.Refunds {
		s = append(s, fmt.Sprint("refund ", r.Status, " ", r.Amount))
	}
	for _, status := range f.Disputes {
		s = append(s, "dispute "+status)
	}
	return strings.Join(s, ", ")
}

// publicBodies says what the public bodies tell that are not simply ignored:
// versions from 2016 to dahlia, as the folder's list of sources describes.
var publicBodies = map[string]string{
	"charge.captured.2023-10-16.json":                                "2500 usd",
	"charge.dispute.closed.2023-10-16.json":                          "implied, dispute lost",
	"charge.dispute.closed.inquiry.2020-03-02.json":                  "ignored",
	"charge.dispute.closed.won.no-version.json":                      "implied", // it has no id
	"charge.dispute.created.2023-10-16.json":                         "implied, dispute needs_response",
	"charge.dispute.created.dahlia.json":                             "implied, dispute needs_response",
	"charge.dispute.created.inquiry.2020-03-02.json":                 "implied, dispute warning_needs_response",
	"charge.dispute.created.inquiry.2020-08-27.json":                 "implied, dispute warning_needs_response",
	"charge.dispute.created.inquiry.2023-10-16.json":                 "implied, dispute warning_needs_response",
	"charge.dispute.created.request-string.2017-08-15.json":          "implied, dispute needs_response",
	"charge.dispute.funds_reinstated.2023-10-16.json":                "implied, dispute won",
	"charge.dispute.funds_reinstated.request-string.2020-08-27.json": "implied, dispute under_review",
	"charge.dispute.funds_withdrawn.2017-12-14.json":                 "implied, dispute needs_response",
	"charge.dispute.funds_withdrawn.2023-10-16.json":                 "implied, dispute needs_response",
	"charge.dispute.updated.2023-10-16.json":                         "implied, dispute under_review",
	"charge.failed.2020-03-02.json":                                  "declined",
	"charge.failed.2020-08-27.json":                                  "declined",
	"charge.failed.2023-10-16.json":                                  "declined",
	"charge.pending.2023-10-16.json":                                 "processing",
	"charge.pending.contradictory.2020-03-02.json":                   "ignored",
	"charge.refund.updated.2020-08-27.json":                          "implied, refund succeeded 100",
	"charge.refund.updated.2023-10-16.json":                          "implied, refund succeeded 500",
	"charge.refunded.2020-03-02.json":                                "2500 usd, implied, 2500 back, refund succeeded 2500",
	"charge.refunded.2020-08-27.json":                                "100 usd, implied, 100 back, refund succeeded 100",
	"charge.refunded.2023-10-16.json":                                "2500 usd, 2500 back",
	"charge.refunded.dahlia.json":                                    "2500 usd, 2500 back",
	"charge.succeeded.2020-03-02.json":                               "3000 usd",
	"charge.succeeded.2020-08-27.json":                               "2000 usd",
	"charge.succeeded.2023-10-16.json":                               "2500 usd",
	"charge.succeeded.dahlia.json":                                   "2500 usd",
	"charge.succeeded.request-string.2016-03-07.json":                "", // captured, with an amount_captured of 0
	"charge.succeeded.uncaptured.2023-10-16.json":                    "processing",
	"charge.updated.2023-10-16.json":                                 "2500 usd",
	"checkout.session.async_payment_failed.2023-10-16.json":          "failed",
	"checkout.session.async_payment_succeeded.2023-10-16.json":       "2500 usd",
	"checkout.session.completed.free.2023-10-16.json":                "free",
	"checkout.session.completed.paid.2020-03-02.json":                "999 eur",
	"checkout.session.completed.paid.2020-08-27.json":                "3000 usd",
	"checkout.session.completed.paid.2023-10-16.json":                "2500 usd",
	"checkout.session.completed.paid.dahlia.json":                    "2500 usd",
	"checkout.session.completed.paid.no-version.json":                "25000 usd",
	"checkout.session.completed.setup.no-version.json":               "ignored",
	"checkout.session.completed.subscription.2023-10-16.json":        "ignored",
	"checkout.session.completed.unpaid.2023-10-16.json":              "processing",
	"checkout.session.expired.2023-10-16.json":                       "expired",
	"checkout.session.expired.dahlia.json":                           "expired",
	"payment_intent.canceled.2020-08-27.json":                        "canceled",
	"payment_intent.canceled.2023-10-16.json":                        "canceled",
	"payment_intent.canceled.contradictory.2020-03-02.json":          "ignored",
	"payment_intent.payment_failed.2023-10-16.json":                  "declined",
	"payment_intent.payment_failed.charges-list.2020-08-27.json":     "declined",
	"payment_intent.processing.2023-10-16.json":                      "processing",
	"payment_intent.succeeded.2023-10-16.json":                       "2500 usd",
	"payment_intent.succeeded.charges-list.2020-08-27.json":          "2000 usd",
	"payment_intent.succeeded.charges-list.dj-stripe.json":           "2000 usd",
	"payment_intent.succeeded.contradictory.2020-03-02.json":         "ignored",
	"payment_intent.succeeded.dahlia.json":                           "2500 usd",
	"refund.created.2020-03-02.json":                                 "implied, refund succeeded 1000",
	"refund.created.2023-10-16.json":                                 "implied, refund succeeded 500",
	"refund.created.dahlia.json":                                     "implied, refund pending 500",
	"refund.failed.contradictory.2020-03-02.json":                    "ignored",
	"refund.failed.dahlia.json":                                      "implied, refund failed 500",
	"refund.updated.2020-03-02.json":                                 "implied, refund succeeded 1000",
	"refund.updated.dahlia.json":                                     "implied, refund succeeded 500",
}

// The public bodies lie beside this repository in some checkouts only; their
// shapes are also in the tables of the other tests.
func TestDecodeOfPublicBodies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/stripe-events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Scan(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		name := filepath.Base(file)
		got[name] = told(Decode(e.Type, body))
		want[name] = "ignored"
		if s, ok := publicBodies[name]; ok {
			want[name] = s
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeOfOwnBodies(t *testing.T) {
	t.Parallel()
	f := stripetest.NewFactory(3, time.Unix(1700000000, 0))
	p := f.Payment("rest_1", "order_1", "pay_1", 2350, "eur")
	free := p
	free.Amount = 0
	test := false
	mine := order.Contribution{RestaurantID: "rest_1", OrderID: "order_1", PaymentID: "pay_1", ObjectLivemode: &test}
	with := func(f order.Facts) order.Contribution {
		c := mine
		c.Facts = f
		return c
	}
	proof := order.Contribution{Facts: order.Facts{Intent: p.Intent, Charges: []string{p.Charge}, Implied: true}}
	refund, dispute := f.Refund(350), f.Dispute("needs_response")
	refunded, disputed := proof, proof
	refunded.Facts.Refunds = map[string]order.Refund{refund.ID: {Status: "succeeded", Amount: 350}}
	disputed.Facts.Disputes, disputed.ObjectLivemode = map[string]string{dispute.ID: "needs_response"}, &test
	money := []order.Money{{Amount: 2350, Currency: "eur"}}
	charges := []string{p.Charge}
	tests := []struct {
		name  string
		event stripetest.Event
		want  order.Contribution
	}{
		{"completed", f.CheckoutCompleted(p), with(order.Facts{Session: p.Session, Intent: p.Intent, Evidence: money})},
		{"free", f.CheckoutCompleted(free), with(order.Facts{Session: p.Session, Free: true})},
		{"unpaid", f.CheckoutUnpaid(p), with(order.Facts{Session: p.Session, Intent: p.Intent, Processing: true})},
		{"expired", f.CheckoutExpired(p), with(order.Facts{Session: p.Session, Expired: true})},
		{"charged", f.ChargeSucceeded(p), with(order.Facts{Intent: p.Intent, Charges: charges, Evidence: money})},
		{"authorized", f.ChargeAuthorized(p), with(order.Facts{Intent: p.Intent, Charges: charges, Processing: true})},
		{"came late", f.AsyncSucceeded(p), with(order.Facts{Session: p.Session, Intent: p.Intent, Evidence: money})},
		{"did not come", f.AsyncFailed(p), with(order.Facts{Session: p.Session, Intent: p.Intent, AsyncFailed: true})},
		{"charge pending", f.ChargePending(p), with(order.Facts{Intent: p.Intent, Charges: charges, Processing: true})},
		{"captured", f.ChargeCaptured(p), with(order.Facts{Intent: p.Intent, Charges: charges, Evidence: money})},
		{"updated", f.ChargeUpdated(p), with(order.Facts{Intent: p.Intent, Charges: charges, Evidence: money})},
		{"refunded", f.ChargeRefunded(p, 350), with(order.Facts{Intent: p.Intent, Charges: charges, Evidence: money, Gross: map[string]int64{p.Charge: 350}})},
		{"let go", f.ChargeReleased(p), with(order.Facts{Intent: p.Intent, Charges: charges, Processing: true})},
		{"declined late", f.DeclinedLate(p)[1], with(order.Facts{Intent: p.Intent, Charges: charges, FailedAttempts: charges})},
		{"intent processing", f.IntentProcessing(p), with(order.Facts{Intent: p.Intent, Charges: charges, Processing: true})},
		{"intent succeeded", f.IntentSucceeded(p), with(order.Facts{Intent: p.Intent, Charges: charges, Evidence: money})},
		{"intent canceled", f.IntentCanceled(p), with(order.Facts{Intent: p.Intent, Canceled: true})},
		{"refund", f.RefundEvent("refund.created", p, refund), refunded},
		{"dispute", f.DisputeEvent("created", p, dispute), disputed},
		{"other", f.Other(p, "payment_intent.created"), ignored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode(test.event.Type, test.event.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

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
	for word, is := range map[string]bool{
		"free": f.Free, "processing": f.Processing, "expired": f.Expired, "declined": len(f.FailedAttempts) == 1,
	} {
		if is {
			s = append(s, word)
		}
	}
	return strings.Join(s, ", ")
}

// publicBodies says what the public bodies tell that are not simply ignored:
// versions from 2016 to dahlia, as the folder's list of sources describes.
var publicBodies = map[string]string{
	"charge.failed.2020-03-02.json":                           "declined",
	"charge.failed.2020-08-27.json":                           "declined",
	"charge.failed.2023-10-16.json":                           "declined",
	"charge.succeeded.2020-03-02.json":                        "3000 usd",
	"charge.succeeded.2020-08-27.json":                        "2000 usd",
	"charge.succeeded.2023-10-16.json":                        "2500 usd",
	"charge.succeeded.dahlia.json":                            "2500 usd",
	"charge.succeeded.request-string.2016-03-07.json":         "", // captured, with an amount_captured of 0
	"charge.succeeded.uncaptured.2023-10-16.json":             "processing",
	"checkout.session.completed.free.2023-10-16.json":         "free",
	"checkout.session.completed.paid.2020-03-02.json":         "999 eur",
	"checkout.session.completed.paid.2020-08-27.json":         "3000 usd",
	"checkout.session.completed.paid.2023-10-16.json":         "2500 usd",
	"checkout.session.completed.paid.dahlia.json":             "2500 usd",
	"checkout.session.completed.paid.no-version.json":         "25000 usd",
	"checkout.session.completed.unpaid.2023-10-16.json":       "processing",
	"checkout.session.expired.2023-10-16.json":                "expired",
	"checkout.session.expired.dahlia.json":                    "expired",
	"checkout.session.completed.setup.no-version.json":        "ignored",
	"checkout.session.completed.subscription.2023-10-16.json": "ignored",
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

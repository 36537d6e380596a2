package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/stripetest"
)

func TestPayloadsAreCovered(t *testing.T) {
	t.Parallel()
	body := `{"id":"evt_1","created":1700000000,"livemode":false,"data":{"object":{"id":"ch_1","amount":2500,
"billing_details":{"address":{"city":"Roma","line1":null},"email":"a@b.it","name":"Anna <b>"},"Email":"x","receipt_url":"https://pay.stripe.com/r",
"metadata":{"orderId":"o-1","note":"for Anna","a@b.it":"x"},"payment_method_details":{"type":"card","card":{"last4":"4242","checks":[true,{"x":1}]}},
"odd":"no one knows","customer":"Anna Rossi","metadata_of":{"restaurantId":"r"},"empty":{},"none":[],"status":"succeeded"}}}`
	want := `{
  "id": "evt_1",
  "created": 1700000000,
  "livemode": false,
  "data": {
    "object": {
      "id": "ch_1",
      "amount": 2500,
      "billing_details": {
        "address": {
          "city": "•••",
          "line1": null
        },
        "email": "•••",
        "name": "•••"
      },
      "Email": "•••",
      "receipt_url": "•••",
      "metadata": {
        "orderId": "o-1",
        "note": "•••",
        "•••": "•••"
      },
      "payment_method_details": {
        "type": "card",
        "card": {
          "last4": "•••",
          "checks": [
            true,
            {
              "x": "•••"
            }
          ]
        }
      },
      "odd": "•••",
      "customer": "•••",
      "metadata_of": {
        "restaurantId": "•••"
      },
      "empty": {},
      "none": [],
      "status": "succeeded"
    }
  }
}`
	got := showPayload([]byte(body), false)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !json.Valid([]byte(got)) {
		t.Error("what is shown is no JSON")
	}
	if shown := showPayload([]byte(body), true); !strings.Contains(shown, `"city": "Roma"`) {
		t.Error(shown)
	}
	for _, broken := range []string{"", "a@b.it", `{"a":`, `{"a":1} {"email":"a@b.it"}`, `{"a":1} b@c.it`, `[1`, "{\"a\" 1}", strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		if got := showPayload([]byte(broken), false); !strings.HasPrefix(got, "This is no JSON") {
			t.Errorf("%q: %s", broken, got)
		}
	}
}

// In all that Stripe tells of payments, a viewer finds no address of mail, no name,
// no phone number, no address, nothing of a card, and no secret.
func TestNothingOfACustomerIsShown(t *testing.T) {
	t.Parallel()
	personal := []string{"email", "name", "phone", "address", "line1", "line2", "city", "state", "postal_code", "country", "last4", "exp_month", "exp_year",
		"fingerprint", "brand", "iban", "client_secret", "url", "receipt_url", "success_url", "cancel_url", "receipt_email", "receipt_number", "customer_email",
		"statement_descriptor", "description", "seller_message", "message", "ip", "client_reference_id", "note", "text", "value"}
	f, values, told := stripetest.NewFactory(7, time.Now()), 0, map[string]bool{}
	for _, l := range stripetest.Lifecycles() {
		p := f.Payment("rest-1", "order-1", "pay-1", 2500, "eur")
		p.Account = "acct_1Nv0FGQ9RKHgCVdK"
		for _, e := range l.Events(f, p) {
			told[e.Type] = true
			got := showPayload(e.Body, false)
			if !json.Valid([]byte(got)) {
				t.Fatalf("%s: what is shown is no JSON", e.Type)
			}
			var whole any
			if err := json.Unmarshal(e.Body, &whole); err != nil {
				t.Fatal(err)
			}
			walk("", whole, func(name, value string) {
				if !slices.Contains(personal, name) && !strings.ContainsAny(value, "@ ") || value == "" || value == p.OrderID { // which the metadata tells as well
					return
				}
				values++
				text, _ := json.Marshal(value)
				if strings.Contains(got, `"`+name+`": `+string(text)) || len(value) > 3 && strings.Contains(got, value) && !strings.Contains("card", value) {
					t.Errorf("%s shows %s, %q", e.Type, name, value)
				}
			})
			for _, useful := range []string{e.ID, e.Type, p.Account} {
				if !strings.Contains(got, `"`+useful+`"`) {
					t.Errorf("%s: %s is covered", e.Type, useful)
				}
			}
			if uncovered := showPayload(e.Body, true); strings.Contains(uncovered, covered) {
				t.Errorf("%s: something stays covered", e.Type)
			}
		}
	}
	if values < 200 || len(told) < 15 {
		t.Errorf("only %d values in %d types of events were looked at", values, len(told))
	}
}

// walk visits all texts with the names of the members that they stand in.
func walk(name string, v any, see func(name, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for member, one := range v {
			walk(member, one, see)
		}
	case []any:
		for _, one := range v {
			walk(name, one, see)
		}
	case string:
		see(name, v)
	case float64:
		see(name, fmt.Sprint(v))
	}
}

// Whatever somebody has signed, a page is no longer than it may be.
func TestLongPayloadsAreCut(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 99) + strings.Repeat("[],", 300_000) + "[]" + strings.Repeat("]", 99)
	for name, body := range map[string]string{"deep": deep, "long": `{"id":"` + strings.Repeat("a", 1<<20) + `","x":1}`,
		"wide": `[` + strings.Repeat(`"x@y.zz",`, 120_000) + `1]`, "no JSON": strings.Repeat("x", 1<<20)} {
		for _, uncover := range []bool{true, false} {
			if got := showPayload([]byte(body), uncover); len(got) > 2<<20 {
				t.Errorf("%s, uncovered %v: %d bytes", name, uncover, len(got))
			}
		}
	}
	if got := showPayload([]byte(deep), false); !strings.Contains(got, "ops events show") {
		t.Error("nothing says where the rest is")
	}
}

package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPayloadsAreCovered(t *testing.T) {
	t.Parallel()
	body := `{"id":"evt_1","created":1700000000,"livemode":false,"data":{"object":{"id":"ch_1","amount":2500,
"billing_details":{"address":{"city":"Roma","line1":null},"email":"a@b.it","name":"Anna <b>"},"Email":"x","receipt_url":"https://pay.stripe.com/r",
"metadata":{"orderId":"o-1","note":"for Anna"},"payment_method_details":{"type":"card","card":{"last4":"4242","checks":[true,{"x":1}]}},
"odd":"write to anna@example.com","empty":{},"none":[],"status":"succeeded"}}}`
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
        "note": "•••"
      },
      "payment_method_details": {
        "type": "card",
        "card": {
          "last4": "•••",
          "checks": [
            "•••",
            {
              "x": "•••"
            }
          ]
        }
      },
      "odd": "•••",
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

func TestMoney(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{"25.00 EUR": money(2500, "eur"), "0.05 USD": money(5, "usd"), "2500 JPY": money(2500, "jpy"),
		"2.500 KWD": money(2500, "kwd"), "0 JPY": money(0, "jpy")} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

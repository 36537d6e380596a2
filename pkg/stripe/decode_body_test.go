package stripe

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

func TestDecodeOwner(t *testing.T) {
	t.Parallel()
	live, test := true, false
	long := strings.Repeat("o", event.MaxIDLength+1)
	expired := order.Facts{Session: "cs_1", Expired: true}
	tests := []struct {
		name, object string
		want         order.Contribution
	}{
		{"all of it", `"id":"cs_1","livemode":true,"client_reference_id":"x","metadata":{"restaurantId":"r","orderId":"o","paymentId":"p","more":"m"}`,
			order.Contribution{Facts: expired, RestaurantID: "r", OrderID: "o", PaymentID: "p", ObjectLivemode: &live}},
		{"reference only", `"id":"cs_1","livemode":false,"client_reference_id":"x","metadata":null`,
			order.Contribution{Facts: expired, OrderID: "x", ObjectLivemode: &test}},
		{"order unusable", `"id":"cs_1","client_reference_id":"x","metadata":{"orderId":"` + long + `","paymentId":"p\u0000"}`,
			order.Contribution{Facts: expired, OrderID: "x"}},
		{"names compared exactly", `"id":"cs_1","metadata":{"orderid":"1","ORDERID":"2"}`,
			order.Contribution{Facts: expired}},
		{"unusable ids", `"id":"` + long + `","payment_intent":"pi\u0000","client_reference_id":""`,
			order.Contribution{Facts: order.Facts{Expired: true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode("checkout.session.expired", holding("{"+test.object+"}"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeTakesAnyEnvelope(t *testing.T) {
	t.Parallel()
	object := `"data":{"object":{"id":"cs_1"}}`
	want := order.Contribution{Facts: order.Facts{Session: "cs_1", Expired: true}}
	for _, body := range []string{
		`{` + object + `}`,
		`{"request":"req_1",` + object + `}`,
		`{"request":{"id":null,"idempotency_key":null},` + object + `}`,
		`{"created":"2024-01-01T00:00:00Z","livemode":null,"api_version":null,` + object + `}`,
		`{"created":1.5,"pending_webhooks":"many","object":7,` + object + `}`,
	} {
		got, err := Decode(expired, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for eventType, body := range map[string]string{
		"customer.created":    `{"data":{"object":{"id":"cus_1"}}}`,
		"":                    ``,
		"v1.charge.succeeded": `{"object":"v2.core.event"}`,
		"charge.succeeded":    `{"object":"v2.core.event","data":{}}`,
		"charge.dispute.lost": `not JSON`,
	} {
		got, err := Decode(eventType, []byte(body))
		if diff := cmp.Diff(order.Contribution{Ignored: true}, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", eventType, err, diff)
		}
	}
}

// Amounts that are not integers fail closed, and for good.
func TestDecodeErrorsArePermanentAndNameTheField(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, eventType, body, text string }{
		{"amount text", charged, `{"data":{"object":{"amount":"2500"}}}`, "data.object.amount is of the wrong kind: string"},
		{"amount a fraction", charged, `{"data":{"object":{"amount":2500.0}}}`, "data.object.amount is of the wrong kind: number"},
		{"amount_captured text", charged, `{"data":{"object":{"amount_captured":"2500"}}}`, "data.object.amount_captured is of the wrong kind: string"},
		{"amount_total text", completed, `{"data":{"object":{"amount_total":"2500"}}}`, "data.object.amount_total is of the wrong kind: string"},
		{"object a string", charged, `{"data":{"object":"ch_1"}}`, "data.object is of the wrong kind: string"},
		{"object an array", charged, `{"data":{"object":[]}}`, "data.object is of the wrong kind: array"},
		{"object null", declined, `{"data":{"object":null}}`, "there is no data.object"},
		{"data empty", declined, `{"data":{}}`, "there is no data.object"},
		{"data null", expired, `{"data":null}`, "there is no data.object"},
		{"no data", expired, `{}`, "there is no data.object"},
		{"null", expired, `null`, "there is no data.object"},
		{"data a string", expired, `{"data":"x"}`, "data is of the wrong kind: string"},
		{"metadata of numbers", expired, `{"data":{"object":{"metadata":{"orderId":7}}}}`, "data.object.metadata is of the wrong kind: number"},
		{"intent a number", charged, `{"data":{"object":{"payment_intent":7}}}`, "data.object.payment_intent is of the wrong kind: number"},
		{"expanded intent with a number for its id", completed, `{"data":{"object":{"payment_intent":{"id":7}}}}`, "data.object.payment_intent.id is of the wrong kind: number"},
		{"amount_received text", "payment_intent.succeeded", `{"data":{"object":{"amount_received":"2500"}}}`, "data.object.amount_received is of the wrong kind: string"},
		{"refund a fraction", "refund.created", `{"data":{"object":{"amount":2500.0}}}`, "data.object.amount is of the wrong kind: number"},
		{"embedded refund text", "charge.refunded", `{"data":{"object":{"refunds":{"data":[{"amount":"1"}]}}}}`, "data.object.refunds.data.amount is of the wrong kind: string"},
		{"dispute's charge a number", "charge.dispute.created", `{"data":{"object":{"charge":7}}}`, "data.object.charge is of the wrong kind: number"},
		{"array", charged, `[]`, "the body is of the wrong kind: array"},
		{"nothing", charged, ``, "it is not valid JSON"},
		{"cut", charged, `{"data":`, "it is not valid JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode(test.eventType, []byte(test.body))
			if !errors.Is(err, ErrUnreadable) || !event.IsPermanent(err) {
				t.Fatalf("error %v", err)
			}
			if want := ErrUnreadable.Error() + ": " + test.text; err.Error() != want {
				t.Errorf("text %q, want %q", err, want)
			}
			if diff := cmp.Diff(order.Contribution{}, got); diff != "" {
				t.Errorf("a contribution with an error:\n%s", diff)
			}
		})
	}
}

package stripe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

// holding is an event's body around an object, as the worker sees it.
func holding(object string) []byte { return []byte(`{"id":"evt_1","data":{"object":` + object + `}}`) }

const (
	completed = "checkout.session.completed"
	expired   = "checkout.session.expired"
	charged   = "charge.succeeded"
	declined  = "charge.failed"
)

func eur(amount int64) []order.Money { return []order.Money{{Amount: amount, Currency: "eur"}} }

func facts(f order.Facts) order.Contribution { return order.Contribution{Facts: f} }

func TestDecodeSessions(t *testing.T) {
	t.Parallel()
	const payment = `"id":"cs_1","payment_intent":"pi_1","mode":"payment","currency":"eur"`
	links := order.Facts{Session: "cs_1", Intent: "pi_1"}
	paid, processing, free, over := links, links, links, links
	paid.Evidence, processing.Processing, free.Free, over.Expired = eur(500), true, true, true
	tests := []struct {
		name, eventType, object string
		want                    order.Contribution
	}{
		{"paid", completed, payment + `,"payment_status":"paid","amount_total":500,"status":"complete"`, facts(paid)},
		{"currency in upper case", completed, strings.Replace(payment, "eur", "EUR", 1) + `,"payment_status":"paid","amount_total":500`, facts(paid)},
		{"intent expanded", completed, strings.Replace(payment, `"pi_1"`, `{"id":"pi_1","object":"payment_intent","amount":9}`, 1) + `,"payment_status":"paid","amount_total":500`, facts(paid)},
		{"intent with escapes", completed, strings.Replace(payment, "pi_1", `pi\u005f1`, 1) + `,"payment_status":"paid","amount_total":500`, facts(paid)},
		{"paid nothing", completed, payment + `,"payment_status":"paid","amount_total":0`, facts(order.Facts{Session: "cs_1", Intent: "pi_1", Evidence: eur(0)})},
		{"paid, amount unknown", completed, payment + `,"payment_status":"paid","amount_total":null`, facts(links)},
		{"paid, amount negative", completed, payment + `,"payment_status":"paid","amount_total":-500`, facts(links)},
		{"paid, currency unknown", completed, `"id":"cs_1","payment_intent":"pi_1","mode":"payment","payment_status":"paid","amount_total":500`, facts(links)},
		{"unpaid", completed, payment + `,"payment_status":"unpaid","amount_total":500`, facts(processing)},
		{"free", completed, payment + `,"payment_status":"no_payment_required","amount_total":0`, facts(free)},
		{"free of something that costs", completed, payment + `,"payment_status":"no_payment_required","amount_total":500`, facts(links)},
		{"free of something unknown", completed, payment + `,"payment_status":"no_payment_required"`, facts(links)},
		{"a payment_status to come", completed, payment + `,"payment_status":"partly","amount_total":500`, facts(links)},
		{"no payment_status", completed, payment + `,"amount_total":500`, facts(links)},
		{"completed, but expired", completed, payment + `,"payment_status":"paid","amount_total":500,"status":"expired"`, ignored},
		{"subscription", completed, strings.Replace(payment, `"payment"`, `"subscription"`, 1) + `,"payment_status":"paid","amount_total":500`, ignored},
		{"setup", completed, `"id":"cs_1","mode":"setup","payment_status":"no_payment_required","amount_total":null`, ignored},
		{"2019, no mode", completed, `"id":"cs_1","payment_intent":"pi_1","mode":null`, facts(links)},
		{"2019, no mode, subscription", completed, `"id":"cs_1","payment_intent":"pi_1","subscription":"sub_1"`, ignored},
		{"2019, no mode, setup", completed, `"id":"cs_1","setup_intent":"seti_1"`, ignored},
		{"another object", completed, payment + `,"object":"payment_link","payment_status":"paid","amount_total":500`, ignored},

		{"expired", expired, payment + `,"status":"expired","payment_status":"unpaid"`, facts(over)},
		{"expired, no intent", expired, `"id":"cs_1","mode":"payment","payment_intent":null,"status":"expired"`, facts(order.Facts{Session: "cs_1", Expired: true})},
		{"expired, no status", expired, payment, facts(over)},
		{"expired, no mode, no intent", expired, `"id":"cs_1"`, facts(order.Facts{Session: "cs_1", Expired: true})},
		{"expired, no mode, setup", expired, `"id":"cs_1","setup_intent":"seti_1"`, ignored},
		{"expired, but complete", expired, payment + `,"status":"complete"`, ignored},
		{"expired subscription", expired, `"id":"cs_1","mode":"subscription","status":"expired"`, ignored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode(test.eventType, holding("{"+test.object+"}"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeCharges(t *testing.T) {
	t.Parallel()
	const (
		attempt = `"id":"ch_1","payment_intent":"pi_1","amount":500,"currency":"eur"`
		good    = attempt + `,"status":"succeeded","paid":true,"captured":true`
	)
	links := order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}}
	paid, processing, failed := links, links, links
	paid.Evidence, processing.Processing, failed.FailedAttempts = eur(500), true, []string{"ch_1"}
	tests := []struct {
		name, eventType, object string
		want                    order.Contribution
	}{
		{"captured", charged, good + `,"amount_captured":500,"object":"charge"`, facts(paid)},
		{"captured in part", charged, good + `,"amount_captured":400`, facts(order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: eur(400)})},
		{"before 2020", charged, good, facts(paid)},
		{"amount_captured null", charged, good + `,"amount_captured":null`, facts(paid)},
		{"captured nothing", charged, good + `,"amount_captured":0`, facts(links)},
		{"captured less than nothing", charged, good + `,"amount_captured":-1`, facts(links)},
		{"no intent", charged, strings.Replace(good, `"pi_1"`, `null`, 1), facts(order.Facts{Charges: []string{"ch_1"}, Evidence: eur(500)})},
		{"authorized", charged, attempt + `,"status":"succeeded","paid":true,"captured":false,"amount_captured":0`, facts(processing)},
		{"authorized before 2020", charged, attempt + `,"status":"succeeded","paid":true,"captured":false`, facts(processing)},
		{"succeeded, but pending", charged, attempt + `,"status":"pending","paid":false,"captured":true,"amount_captured":500`, ignored},
		{"succeeded, but not paid", charged, attempt + `,"status":"succeeded","paid":false,"captured":true,"amount_captured":500`, ignored},
		{"succeeded, but failed", charged, attempt + `,"status":"failed"`, ignored},
		{"another object", charged, good + `,"object":"payment_intent"`, ignored},

		{"failed", declined, attempt + `,"status":"failed","paid":false`, facts(failed)},
		{"failed, but succeeded", declined, good, ignored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Decode(test.eventType, holding("{"+test.object+"}"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

package stripe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

// decodeCase is an event of a type on an object, and what it contributes.
type decodeCase struct {
	name, eventType, object string
	want                    order.Contribution
}

func (test decodeCase) run(t *testing.T) {
	t.Parallel()
	got, err := Decode(test.eventType, holding("{"+test.object+"}"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(test.want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeAsyncSessions(t *testing.T) {
	t.Parallel()
	const (
		succeeded = "checkout.session.async_payment_succeeded"
		failed    = "checkout.session.async_payment_failed"
		payment   = `"id":"cs_1","payment_intent":"pi_1","mode":"payment","currency":"eur","amount_total":500`
	)
	paid := order.Facts{Session: "cs_1", Intent: "pi_1", Evidence: eur(500)}
	over := order.Facts{Session: "cs_1", Intent: "pi_1", AsyncFailed: true}
	for _, test := range []decodeCase{
		{"succeeded", succeeded, payment + `,"payment_status":"paid","status":"complete"`, facts(paid)},
		{"succeeded, amount unknown", succeeded, `"id":"cs_1","mode":"payment","payment_status":"paid"`, facts(order.Facts{Session: "cs_1"})},
		{"succeeded, but unpaid", succeeded, payment + `,"payment_status":"unpaid"`, ignored},
		{"succeeded, no payment_status", succeeded, payment, ignored},
		{"succeeded, subscription", succeeded, `"id":"cs_1","mode":"subscription","payment_status":"paid"`, ignored},
		{"failed", failed, payment + `,"payment_status":"unpaid","status":"complete"`, facts(over)},
		{"failed, no payment_status", failed, payment, facts(over)},
		{"failed, but paid", failed, payment + `,"payment_status":"paid"`, ignored},
		{"failed, setup", failed, `"id":"cs_1","mode":"setup"`, ignored},
	} {
		t.Run(test.name, test.run)
	}
}

func TestDecodeIntents(t *testing.T) {
	t.Parallel()
	const (
		processing, succeeded = "payment_intent.processing", "payment_intent.succeeded"
		failed, canceled      = "payment_intent.payment_failed", "payment_intent.canceled"
		pi                    = `"id":"pi_1","object":"payment_intent","currency":"eur","amount":500`
	)
	f := func(change func(*order.Facts), charges ...string) order.Contribution {
		f := order.Facts{Intent: "pi_1", Charges: charges}
		change(&f)
		return facts(f)
	}
	paid := func(f *order.Facts) { f.Evidence = eur(500) }
	nothing := func(*order.Facts) {}
	tried := func(ids ...string) func(*order.Facts) { return func(f *order.Facts) { f.FailedAttempts = ids } }
	for _, test := range []decodeCase{
		{"created", "payment_intent.created", pi + `,"status":"requires_payment_method"`, ignored},
		{"requires_action", "payment_intent.requires_action", pi + `,"status":"requires_action"`, ignored},
		{"processing", processing, pi + `,"status":"processing","latest_charge":"py_1"`, f(func(f *order.Facts) { f.Processing = true }, "py_1")},
		{"processing, but succeeded", processing, pi + `,"status":"succeeded"`, ignored},

		{"succeeded", succeeded, pi + `,"status":"succeeded","amount_received":500,"latest_charge":"ch_1"`, f(paid, "ch_1")},
		{"succeeded, charge expanded", succeeded, pi + `,"status":"succeeded","amount_received":500,"latest_charge":{"id":"ch_1"}`, f(paid, "ch_1")},
		{"succeeded before 2022-11-15", succeeded, pi + `,"status":"succeeded","amount_received":500,"charges":{"data":[{"id":"ch_2"},{"id":"ch_1"},{"id":"ch_2"}]}`, f(paid, "ch_1", "ch_2")},
		{"succeeded, charge told twice", succeeded, pi + `,"status":"succeeded","amount_received":500,"latest_charge":"ch_1","charges":{"data":[{"id":"ch_1"}]}`, f(paid, "ch_1")},
		{"succeeded, captured in part", succeeded, pi + `,"status":"succeeded","amount_received":400`, f(func(f *order.Facts) { f.Evidence = eur(400) })},
		{"succeeded, amount_received unknown", succeeded, pi + `,"status":"succeeded","latest_charge":"ch_1"`, f(nothing, "ch_1")},
		{"succeeded, received nothing", succeeded, pi + `,"status":"succeeded","amount_received":0`, f(nothing)},
		{"succeeded, but waits for a card", succeeded, pi + `,"status":"requires_payment_method","amount_received":500`, ignored},
		{"succeeded, another object", succeeded, `"id":"ch_1","object":"charge","status":"succeeded","amount_received":500`, ignored},

		{"failed", failed, pi + `,"status":"requires_payment_method","latest_charge":"ch_1","last_payment_error":{"charge":"ch_1"}`, f(tried("ch_1"), "ch_1")},
		{"failed before 2022-11-15", failed, pi + `,"status":"requires_source","charges":{"data":[{"id":"ch_1"}]},"last_payment_error":{"charge":"ch_1"}`, f(tried("ch_1"), "ch_1")},
		{"failed without a charge", failed, pi + `,"status":"requires_payment_method","latest_charge":null,"last_payment_error":{"code":"x"}`, f(nothing)},
		{"failed without an error", failed, pi + `,"status":"requires_payment_method","latest_charge":"ch_1","last_payment_error":null`, f(tried("ch_1"), "ch_1")},
		{"failed, two charges", failed, pi + `,"status":"requires_payment_method","latest_charge":"ch_2","last_payment_error":{"charge":"ch_1"}`, f(tried("ch_1", "ch_2"), "ch_1", "ch_2")},
		{"failed, but succeeded", failed, pi + `,"status":"succeeded","latest_charge":"ch_1"`, ignored},

		{"canceled", canceled, pi + `,"status":"canceled","charges":{"data":[]}`, f(func(f *order.Facts) { f.Canceled = true })},
		{"canceled, but waits for a card", canceled, pi + `,"status":"requires_payment_method"`, ignored},
	} {
		t.Run(test.name, test.run)
	}
}

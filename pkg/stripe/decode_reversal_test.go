package stripe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

func TestDecodeOtherCharges(t *testing.T) {
	t.Parallel()
	const (
		attempt  = `"id":"ch_1","payment_intent":"pi_1","amount":500,"currency":"eur"`
		good     = attempt + `,"status":"succeeded","paid":true,"captured":true,"amount_captured":500`
		refunded = "charge.refunded"
	)
	links := order.Facts{Intent: "pi_1", Charges: []string{"ch_1"}}
	paid, processing := links, links
	paid.Evidence, processing.Processing = eur(500), true
	back := paid
	back.Gross = map[string]int64{"ch_1": 200}
	embedded := back
	embedded.Implied, embedded.Refunds = true, map[string]order.Refund{"re_1": {Status: "succeeded", Amount: 150}, "re_2": {Status: "pending", Amount: 50}}
	for _, test := range []decodeCase{
		{"pending", "charge.pending", attempt + `,"status":"pending","paid":false,"captured":true`, facts(processing)},
		{"pending, but failed", "charge.pending", attempt + `,"status":"failed"`, ignored},
		{"captured", "charge.captured", good, facts(paid)},
		{"captured, but not", "charge.captured", attempt + `,"status":"succeeded","paid":true,"captured":false`, facts(processing)},
		{"updated", "charge.updated", good, facts(paid)},
		{"updated while pending", "charge.updated", attempt + `,"status":"pending","paid":false`, ignored},
		{"disputed, with the evidence of old", "charge.updated", good + `,"dispute":{"id":"dp_1","evidence":"a text"}`, facts(paid)},

		{"refunded", refunded, good + `,"amount_refunded":200`, facts(back)},
		{"refunded, list empty", refunded, good + `,"amount_refunded":200,"refunds":{"data":[]}`, facts(back)},
		{"refunded before 2022-11-15", refunded, good + `,"amount_refunded":200,"refunds":{"data":[
			{"id":"re_1","status":"succeeded","amount":150},{"id":"re_2","status":"pending","amount":50},
			{"status":"succeeded","amount":50},{"id":"re_3","amount":50},{"id":"re_4","status":"succeeded","amount":-1}]}`, facts(embedded)},
		{"refunded nothing", refunded, good + `,"amount_refunded":0`, facts(paid)},
		{"refunded, but never paid", refunded, attempt + `,"status":"failed","amount_refunded":200`, ignored},
		{"let go", refunded, attempt + `,"status":"succeeded","paid":true,"captured":false,"amount_refunded":500`, facts(processing)},
	} {
		t.Run(test.name, test.run)
	}
}

func TestDecodeRefunds(t *testing.T) {
	t.Parallel()
	const re = `"id":"re_1","object":"refund","amount":200,"charge":"ch_1"`
	with := func(status, intent string) order.Contribution {
		return facts(order.Facts{
			Intent: intent, Charges: []string{"ch_1"}, Implied: true,
			Refunds: map[string]order.Refund{"re_1": {Status: status, Amount: 200}},
		})
	}
	for _, eventType := range []string{"refund.created", "refund.updated", "charge.refund.updated"} {
		for _, status := range []string{"pending", "requires_action", "succeeded", "canceled", "failed", "unheard_of"} {
			t.Run(eventType+" "+status, decodeCase{"", eventType, re + `,"status":"` + status + `"`, with(status, "")}.run)
		}
	}
	named := with("pending", "")
	named.OrderID = "o"
	for _, test := range []decodeCase{
		{"failed", "refund.failed", re + `,"status":"failed","payment_intent":"pi_1"`, with("failed", "pi_1")},
		{"failed, but succeeded", "refund.failed", re + `,"status":"succeeded"`, ignored},
		{"all expanded", "refund.created", `"id":"re_1","amount":200,"status":"pending","charge":{"id":"ch_1"},"payment_intent":{"id":"pi_1"}`, with("pending", "pi_1")},
		{"without a charge", "refund.created", `"id":"re_1","amount":200,"status":"pending","charge":null,"payment_intent":"pi_1"`, facts(order.Facts{
			Intent: "pi_1", Implied: true, Refunds: map[string]order.Refund{"re_1": {Status: "pending", Amount: 200}}})},
		{"without a status", "refund.created", re + `,"status":null`, facts(order.Facts{Charges: []string{"ch_1"}, Implied: true})},
		{"metadata of its own", "refund.created", re + `,"status":"pending","metadata":{"orderId":"o"}`, named},
		{"another object", "refund.created", `"id":"ch_1","object":"charge","status":"succeeded"`, ignored},
	} {
		t.Run(test.name, test.run)
	}
}

func TestDecodeDisputes(t *testing.T) {
	t.Parallel()
	const dp = `"id":"dp_1","object":"dispute","amount":500,"charge":"ch_1"`
	with := func(status, intent string) order.Contribution {
		return facts(order.Facts{Intent: intent, Charges: []string{"ch_1"}, Implied: true, Disputes: map[string]string{"dp_1": status}})
	}
	for _, eventType := range []string{"created", "updated", "funds_withdrawn", "funds_reinstated"} {
		for _, status := range []string{"warning_needs_response", "needs_response", "under_review", "lost", "won", "prevented"} {
			t.Run(eventType+" "+status, decodeCase{"", "charge.dispute." + eventType, dp + `,"status":"` + status + `"`, with(status, "")}.run)
		}
	}
	for _, test := range []decodeCase{
		{"evidence of old", "charge.dispute.created", dp + `,"status":"needs_response","evidence":"a text","evidence_due_by":1`, with("needs_response", "")},
		{"all expanded", "charge.dispute.created", `"id":"dp_1","status":"lost","charge":{"id":"ch_1","dispute":"dp_1"},"payment_intent":{"id":"pi_1"}`, with("lost", "pi_1")},
		{"closed, won", "charge.dispute.closed", dp + `,"status":"won"`, with("won", "")},
		{"closed, lost", "charge.dispute.closed", dp + `,"status":"lost"`, with("lost", "")},
		{"inquiry closed", "charge.dispute.closed", dp + `,"status":"warning_closed"`, with("warning_closed", "")},
		{"prevented", "charge.dispute.closed", dp + `,"status":"prevented"`, with("prevented", "")},
		{"closed, but open", "charge.dispute.closed", dp + `,"status":"needs_response"`, ignored},
		{"without an id", "charge.dispute.closed", `"status":"won","charge":"ch_1"`, facts(order.Facts{Charges: []string{"ch_1"}, Implied: true})},
		{"without a status", "charge.dispute.updated", dp, ignored},
		{"another object", "charge.dispute.updated", `"id":"ch_1","object":"charge","status":"succeeded"`, ignored},
	} {
		t.Run(test.name, test.run)
	}
}

// Ingest finds the restaurant of a refund or dispute by the charge and the
// intent that it names: neither has metadata.
func TestScanHintsAtWhatWasRefundedOrDisputed(t *testing.T) {
	t.Parallel()
	for object, want := range map[string][]string{
		`"id":"re_1","charge":"ch_1","payment_intent":"pi_1"`:                       {"re_1", "pi_1", "ch_1"},
		`"id":"dp_1","charge":"ch_1","evidence":"a text"`:                           {"dp_1", "ch_1"},
		`"id":"dp_1","charge":{"id":"ch_1"},"payment_intent":{"id":"pi_1","id2":0}`: {"dp_1", "pi_1", "ch_1"},
	} {
		e, err := Scan([]byte(inObject(object)))
		if diff := cmp.Diff(want, e.Hints.Objects); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", object, err, diff)
		}
	}
}

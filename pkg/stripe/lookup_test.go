package stripe_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/stripe"
	"tillhook/pkg/stripetest"
)

// What Stripe has of a payment becomes the events that would have said so, the
// same ones however often it is asked.
func TestPaymentBecomesEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		there   func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event
		intent  bool // looked up by its intent
		says    string
		events  []string // type, and what of the id follows the object's
		facts   func(p stripetest.Payment, f order.Facts) bool
		factsOf int
	}{
		{name: "open", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutOpen(p)}
		}, says: "the session is open until "},
		{name: "paid", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutCompleted(p), f.IntentSucceeded(p), f.ChargeSucceeded(p)}
		}, says: "the session is complete, payment status paid", events: []string{"checkout.session.completed complete_paid"},
			facts: func(p stripetest.Payment, f order.Facts) bool {
				return len(f.Evidence) == 1 && f.Evidence[0].Amount == p.Amount && f.Intent == p.Intent
			}},
		{name: "paid and given back", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutCompleted(p), f.IntentSucceeded(p), f.ChargeRefunded(p, p.Amount)}
		}, says: "the session is complete, payment status paid; 25.00 EUR refunded",
			events: []string{"checkout.session.completed complete_paid", "charge.refunded refunded_2500"}, factsOf: 1,
			facts: func(p stripetest.Payment, f order.Facts) bool { return f.Gross[p.Charge] == p.Amount }},
		{name: "expired", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutExpired(p)}
		}, says: "the session has expired", events: []string{"checkout.session.expired expired"},
			facts: func(_ stripetest.Payment, f order.Facts) bool { return f.Expired }},
		{name: "under way", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutUnpaid(p), f.IntentProcessing(p)}
		}, says: "the session is complete, the money is under way", events: []string{"checkout.session.completed complete_unpaid"},
			facts: func(_ stripetest.Payment, f order.Facts) bool { return f.Processing }},
		{name: "failed late", there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.CheckoutUnpaid(p), f.DeclinedLate(p)[1]}
		}, says: "the session is complete, and its asynchronous payment has failed",
			events:  []string{"checkout.session.completed complete_unpaid", "checkout.session.async_payment_failed async_failed"},
			factsOf: 1, facts: func(_ stripetest.Payment, f order.Facts) bool { return f.AsyncFailed }},
		{name: "intent succeeded", intent: true, there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.IntentSucceeded(p), f.ChargeRefunded(p, 500)}
		}, says: "the intent has the status succeeded; 5.00 EUR refunded",
			events: []string{"payment_intent.succeeded succeeded", "charge.refunded refunded_500"},
			facts: func(p stripetest.Payment, f order.Facts) bool {
				return f.Intent == p.Intent && len(f.Evidence) == 1
			}},
		{name: "intent canceled", intent: true, there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.IntentCanceled(p)}
		}, says: "the intent has the status canceled", events: []string{"payment_intent.canceled canceled"},
			facts: func(_ stripetest.Payment, f order.Facts) bool { return f.Canceled }},
		{name: "intent processing", intent: true, there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.IntentProcessing(p)}
		}, says: "the intent has the status processing", events: []string{"payment_intent.processing processing"},
			facts: func(_ stripetest.Payment, f order.Facts) bool { return f.Processing }},
		{name: "intent declined", intent: true, there: func(f *stripetest.Factory, p stripetest.Payment) []stripetest.Event {
			return []stripetest.Event{f.DeclinedLate(p)[1]}
		}, says: "the intent has the status requires_payment_method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			there, api, f := double(t, stripe.APIConfig{})
			p := f.Payment("r", "o", "p", 2500, "eur")
			for _, e := range c.there(f, p) {
				there.Put(apiKey, e)
			}
			want := event.Lookup{RestaurantID: "r", Session: p.Session, Intent: p.Intent}
			if c.intent {
				want.Session = ""
			}
			first, err := api.Payment(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			again, err := api.Payment(t.Context(), want)
			if diff := cmp.Diff(first, again); diff != "" || err != nil {
				t.Errorf("asked again: %v (-first +again)\n%s", err, diff)
			}
			if !strings.HasPrefix(first.Says, c.says) {
				t.Errorf("says %q, want %q", first.Says, c.says)
			}
			var got []string
			for _, h := range first.Heard {
				got = append(got, h.Type+" "+h.ProviderEventID[strings.IndexByte(h.ProviderEventID, '_'):])
				if !json.Valid(h.Payload) || !strings.HasPrefix(h.ProviderEventID, "reconcile_") {
					t.Errorf("%s: %s", h.ProviderEventID, h.Payload)
				}
			}
			for i := range got { // without the object's id
				eventType, id, _ := strings.Cut(got[i], " ")
				for _, object := range []string{p.Session, p.Intent, p.Charge} {
					id = strings.TrimPrefix(id, "_"+object+"_")
				}
				got[i] = eventType + " " + id
			}
			if diff := cmp.Diff(c.events, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
			if c.facts == nil {
				return
			}
			h := first.Heard[c.factsOf]
			contribution, err := stripe.Decode(h.Type, h.Payload)
			if err != nil || contribution.Ignored || !c.facts(p, contribution.Facts) {
				t.Errorf("%s contributes %+v, %v", h.Type, contribution, err)
			}
		})
	}
}

// A session that is paid counts, though the key may not read its intent, or the
// intent is gone; that something was not seen is said.
func TestASessionCountsWithoutItsIntent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		forbidden string
		unpaid    bool
		event     string
		says      string
	}{
		{"paid, not for this key", "/v1/payment_intents", false, "complete_paid", "payment status paid; looking up intent PI: the restaurant's API key may not read this (HTTP 403)"},
		{"paid, gone", "", false, "complete_paid", "payment status paid; looking up intent PI: no such object at Stripe for this API key (HTTP 404"},
		{"unpaid, not for this key", "/v1/payment_intents", true, "complete_unpaid", "the money is under way; looking up intent PI: the restaurant's API key may not read this (HTTP 403)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			there, api, f := double(t, stripe.APIConfig{})
			if c.forbidden != "" {
				there.Forbid(apiKey, c.forbidden)
			}
			p := f.Payment("r", "o", "p", 2500, "eur")
			session := f.CheckoutCompleted(p)
			if c.unpaid {
				session = f.CheckoutUnpaid(p)
			}
			there.Put(apiKey, session)
			got, err := api.Payment(t.Context(), event.Lookup{RestaurantID: "r", Session: p.Session})
			if err != nil || len(got.Heard) != 1 || got.Heard[0].ProviderEventID != "reconcile_"+p.Session+"_"+c.event {
				t.Errorf("heard %+v, %v", got.Heard, err)
			}
			if says := strings.ReplaceAll(got.Says, p.Intent, "PI"); !strings.Contains(says, c.says) {
				t.Errorf("says %q, want %q", says, c.says)
			}
		})
	}
}

func TestFollowFetchesWhatAThinEventIsAbout(t *testing.T) {
	t.Parallel()
	there, api, f := double(t, stripe.APIConfig{})
	p := f.Payment("r", "o", "p", 2500, "eur")
	charge := f.ChargeSucceeded(p)
	there.Put(apiKey, charge)
	named, bare := f.ThinEvent("v1.charge.succeeded", "charge", p.Charge), f.ThinEvent("v1.charge.succeeded", "", "")
	stored := func(e stripetest.Event) event.Stored {
		return event.Stored{Ref: event.Ref{OccurredAt: e.Created}, ProviderEventID: e.ID, Type: e.Type, RestaurantID: "r", Payload: e.Body}
	}
	// The event itself names the object, where its notification does not.
	whole := strings.Replace(string(bare.Body), `"related_object": null`, `"related_object": {"id": "`+p.Charge+`", "type": "charge", "url": "/v1/charges/`+p.Charge+`"}`, 1)
	there.PutObject(apiKey, json.RawMessage(whole))
	for _, e := range []stripetest.Event{named, bare} {
		h, err := api.Follow(t.Context(), stored(e))
		if err != nil {
			t.Fatal(err)
		}
		if h.ProviderEventID != "fetched_"+e.ID || h.Type != "charge.succeeded" || !h.OccurredAt.Equal(e.Created) {
			t.Errorf("made %+v", h.Record)
		}
		got, err := stripe.Decode(h.Type, h.Payload)
		if err != nil {
			t.Fatal(err)
		}
		want, err := stripe.Decode(charge.Type, charge.Body)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, contributes (-as delivered +as fetched)\n%s", err, diff)
		}
	}
	for name, body := range map[string]string{
		"another path": `{"object":"v2.core.event","related_object":{"id":"1","url":"/v1/balance"}}`,
		"another id":   `{"object":"v2.core.event","related_object":{"id":"ch_2","url":"/v1/charges/ch_1"}}`,
		"a way out":    `{"object":"v2.core.event","related_object":{"id":"ch_1","url":"/v1/charges/../balance/ch_1"}}`,
		"another host": `{"object":"v2.core.event","related_object":{"id":"ch_1","url":"https://elsewhere.example/v1/charges/ch_1"}}`,
		"no event":     `{"object":"event"}`,
	} {
		e := stored(named)
		e.Payload = []byte(body)
		if _, err := api.Follow(t.Context(), e); !event.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone := stored(f.ThinEvent("v1.charge.refunded", "charge", "ch_gone"))
	if _, err := api.Follow(t.Context(), gone); !errors.Is(err, event.ErrNotThere) {
		t.Error(err)
	}
	if n := len(there.Requests("")); n != 4 {
		t.Errorf("%d requests, want 4: none for what no payment has", n)
	}
}

func TestThinTypes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"v1.charge.succeeded": true, "v1.refund.failed": true, "charge.succeeded": false,
		"v1.billing.meter.error_report_triggered": false, "v2.core.account.closed": false, "v1.": false} {
		if got := stripe.Thin(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

package stripe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/stripetest"
)

// bodies are one of each event that stripetest makes, and, where the checkout
// has them, the public ones that are kept beside it.
func bodies(tb testing.TB) map[string][]byte {
	f := stripetest.NewFactory(1, time.Unix(1700000000, 0))
	p := f.Payment("rest_1", "order_1", "pay_1", 2350, "eur")
	connect := p
	connect.Account = "acct_1"
	bare := p
	bare.NoMetadata = true
	all := map[string][]byte{}
	for _, e := range []stripetest.Event{
		f.CheckoutCompleted(p), f.CheckoutUnpaid(p), f.CheckoutExpired(p), f.CheckoutCompleted(p.Live()),
		f.ChargeSucceeded(p), f.ChargeAuthorized(p), f.ChargeFailed(p), f.Other(p, "customer.created"),
		f.ChargeSucceeded(connect), f.CheckoutCompleted(bare),
	} {
		all[fmt.Sprintf("%02d %s", len(all), e.Type)] = e.Body
	}
	files, err := filepath.Glob("../../../shared/stripe-events/*.json")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		all[filepath.Base(name)] = body
	}
	return all
}

func checkScan(t *testing.T, body []byte) {
	t.Helper()
	want := expect(body)
	got, err := Scan(body)
	if len(want.faults) == 0 {
		if err != nil {
			t.Fatalf("Scan: %v\n%q", err, body)
		}
		if diff := cmp.Diff(want.envelope, got); diff != "" {
			t.Fatalf("Scan (-oracle +got):\n%s\n%q", diff, body)
		}
		return
	}
	if !errors.Is(err, ErrUnparsable) || !slices.ContainsFunc(want.faults, func(f error) bool { return errors.Is(err, f) }) {
		t.Fatalf("Scan: %v, want one of %v\n%q", err, want.faults, body)
	}
	if diff := cmp.Diff(event.Envelope{}, got); diff != "" {
		t.Fatalf("an envelope with an error:\n%s", diff)
	}
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for name, body := range bodies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if want := expect(body); len(want.faults) > 0 {
				t.Fatalf("the oracle refuses it: %v", want.faults)
			}
			checkScan(t, body)
		})
	}
}

// Bodies cut short anywhere must neither panic nor pass.
func TestScanOfEveryBeginning(t *testing.T) {
	t.Parallel()
	f := stripetest.NewFactory(2, time.Unix(1700000000, 0))
	body := []byte(strings.TrimSpace(string(f.CheckoutCompleted(f.Payment("r", "o", "p", 1, "eur")).Body)))
	for n := range len(body) {
		if _, err := Scan(body[:n:n]); !errors.Is(err, ErrUnparsable) {
			t.Fatalf("%d bytes: error %v", n, err)
		}
	}
}

func TestScanReadsEveryField(t *testing.T) {
	t.Parallel()
	got, err := Scan([]byte(`{"id":"evt_1","object":"event","api_version":"2023-10-16","account":"acct_1",
		"created":1700000000,"livemode":true,"type":"charge.succeeded","request":"req_1","data":{"object":{
			"id":"ch_1","payment_intent":{"object":"payment_intent","id":"pi_1"},"charge":null,"latest_charge":"ch_2",
			"client_reference_id":"order_2","metadata":{"restaurantId":"r\u00e9s\ud83c\udf55","orderId":"order_1","orderid":"x"}
		},"previous_attributes":{"id":"no"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Envelope{
		ID: "evt_1", Type: "charge.succeeded", APIVersion: "2023-10-16", Account: "acct_1",
		Created: time.Unix(1700000000, 0).UTC(), Livemode: true,
		Hints: event.Hints{RestaurantID: "rés🍕", OrderID: "order_1", Objects: []string{"ch_1", "pi_1", "ch_2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScanReadsThinEvents(t *testing.T) {
	t.Parallel()
	got, err := Scan([]byte(`{"created":"2024-02-29T12:00:00.123456789+01:00","type":"v1.charge.succeeded","id":"evt_1",
		"object":"v2.core.event","livemode":false,"related_object":{"id":"ch_1","type":"charge","url":"/v1/charges/ch_1"},
		"data":{"object":{"id":"not_this"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Envelope{
		ID: "evt_1", Type: "v1.charge.succeeded", Thin: true, Hints: event.Hints{Objects: []string{"ch_1"}},
		Created: time.Date(2024, 2, 29, 11, 0, 0, 123456000, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Scan([]byte(test.body)); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			checkScan(t, []byte(test.body))
		})
	}
}

func TestScanAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range accepted {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Scan([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Hints); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
			checkScan(t, []byte(test.body))
		})
	}
}

// Whatever is wrong with a body, its own words stay out of the log.
func TestScanErrorsTellNothing(t *testing.T) {
	t.Parallel()
	const canary = "c4na6y"
	for _, body := range []string{
		canary, `{"` + canary + `"`, `{"id":"` + canary + `\x"}`, `{"id":"` + canary + `","type":"` + canary + `\u0000"}`,
		`{"id":"e","type":"t","created":"` + canary + `"}`, with(`"TYPE":"` + canary + `",`), with(`"livemode":"` + canary + `",`),
	} {
		_, err := Scan([]byte(body))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: error %v", body, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, body := range bodies(f) {
		f.Add(body)
	}
	for _, test := range refusals {
		if len(test.body) < 4096 {
			f.Add([]byte(test.body))
		}
	}
	for _, test := range accepted {
		f.Add([]byte(test.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkScan(t, body) })
}

func BenchmarkScan(b *testing.B) {
	f := stripetest.NewFactory(1, time.Unix(1700000000, 0))
	p := f.Payment("rest_1", "order_1", "pay_1", 2350, "eur")
	for _, e := range []stripetest.Event{f.CheckoutCompleted(p), f.ChargeSucceeded(p)} {
		b.Run(e.Type, func(b *testing.B) {
			b.SetBytes(int64(len(e.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(e.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

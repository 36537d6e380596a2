package order_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tillhook/pkg/order"
)

// drawFacts draws what one event may say of the payment of cs_1 and pi_1: a
// payment has one session and one intent, and no other is ever joined to it.
func drawFacts(t *rapid.T, label string) order.Facts {
	var f order.Facts
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		field, name := v.Field(i), label+"."+v.Type().Field(i).Name
		if !rapid.Bool().Draw(t, name+"?") {
			continue // most events say little
		}
		switch p := field.Addr().Interface().(type) {
		case *bool:
			*p = true
		case *string:
			*p = map[string]string{"Session": "cs_1", "Intent": "pi_1"}[v.Type().Field(i).Name]
		case *[]string:
			*p = slices.Compact(slices.Sorted(slices.Values(
				rapid.SliceOfN(rapid.SampledFrom([]string{"ch_1", "ch_2", "ch_3", "py_4"}), 1, 4).Draw(t, name))))
		case *[]order.Money:
			*p = drawMoney(t, name)
		case *map[string]int64:
			*p = rapid.MapOfN(drawID("ch_1", "ch_2", "ch_3"), rapid.Int64Range(0, 2500), 1, 3).Draw(t, name)
		case *map[string]string:
			*p = rapid.MapOfN(drawID("dp_1", "dp_2", "dp_3"), rapid.SampledFrom(disputeStatuses), 1, 3).Draw(t, name)
		case *map[string]order.Refund:
			*p = rapid.MapOfN(drawID("re_1", "re_2", "re_3"), rapid.Custom(func(t *rapid.T) order.Refund {
				return order.Refund{
					Status: rapid.SampledFrom(refundStatuses).Draw(t, "status"), Amount: rapid.SampledFrom([]int64{500, 2000, 2500}).Draw(t, "amount"),
				}
			}), 1, 3).Draw(t, name)
		default:
			t.Fatalf("Facts.%s is of a type that this test can't draw: teach it, or the laws of Join go unchecked", v.Type().Field(i).Name)
		}
		if field.IsZero() {
			t.Fatalf("Facts.%s was drawn as nothing", v.Type().Field(i).Name)
		}
	}
	return f
}

// Every status that Stripe documents, in the order in which they come, and one
// that it may invent tomorrow.
var (
	refundStatuses  = []string{"pending", "requires_action", "succeeded", "canceled", "failed", "unheard_of"}
	disputeStatuses = []string{
		"warning_needs_response", "warning_under_review", "warning_closed", "prevented",
		"needs_response", "under_review", "charge_refunded", "lost", "won", "unheard_of",
	}
)

func drawID(ids ...string) *rapid.Generator[string] { return rapid.SampledFrom(ids) }

// drawMoney draws a sorted set, by currency and amount.
func drawMoney(t *rapid.T, name string) []order.Money {
	all := rapid.SliceOfN(rapid.SampledFrom([]order.Money{
		{Amount: 2500, Currency: "eur"}, {Amount: 0, Currency: "usd"}, {Amount: 999, Currency: "usd"}, {Amount: 2500, Currency: "usd"},
	}), 1, 4).Draw(t, name)
	slices.SortFunc(all, func(a, b order.Money) int {
		if c := strings.Compare(a.Currency, b.Currency); c != 0 {
			return c
		}
		return int(a.Amount - b.Amount)
	})
	return slices.Compact(all)
}

// Neither the order of arrival nor a duplicate can matter: that is a
// join-semilattice, and the zero Facts say nothing.
func TestFactsJoinInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawFacts(t, "a"), drawFacts(t, "b"), drawFacts(t, "c")
		same := func(law string, x, y order.Facts) {
			if diff := cmp.Diff(x, y); diff != "" || !x.Equal(y) || !y.Equal(x) {
				t.Fatalf("not %s; Equal says %t (-one +other)\n%s", law, x.Equal(y), diff)
			}
		}
		same("commutative", a.Join(b), b.Join(a))
		same("associative", a.Join(b).Join(c), a.Join(b.Join(c)))
		same("idempotent", a.Join(a), a)
		same("idempotent after others", a.Join(b).Join(c).Join(b), a.Join(b).Join(c))
		same("neutral to nothing", a.Join(order.Facts{}), a)
		same("neutral from nothing", order.Facts{}.Join(a), a)
	})
}

// Equal decides whether a payment is written at all: a difference in any one
// field has to be seen. go-cmp asks Equal too, so that reflect has to judge it,
// and every other comparison of facts here rests on this test.
func TestFactsEqualSeesEveryField(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, other := drawFacts(t, "a"), drawFacts(t, "other")
		b := a // but for one field
		field := rapid.IntRange(0, reflect.TypeFor[order.Facts]().NumField()-1).Draw(t, "field")
		reflect.ValueOf(&b).Elem().Field(field).Set(reflect.ValueOf(other).Field(field))
		if want := reflect.DeepEqual(a, b); a.Equal(b) != want {
			t.Fatalf("Equal says %t of %+v and %+v", !want, a, b)
		}
	})
}

// Join must never write into its operands: the facts of a payment are shared
// with whoever has read them before.
func TestJoinLeavesItsOperandsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawFacts(t, "a"), drawFacts(t, "b")
		a.Charges = slices.Grow(a.Charges, 8) // room that an append would write into
		before := toJSON(t, a) + toJSON(t, b)
		joined := a.Join(b)
		kept := toJSON(t, joined)
		a.Join(order.Facts{Charges: []string{"ch_0"}})
		if after := toJSON(t, a) + toJSON(t, b); after != before || toJSON(t, joined) != kept {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

// "Payment".facts holds the JSON form.
func TestFactsSurviveTheDatabase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t, "f")
		var back order.Facts
		if err := json.Unmarshal([]byte(toJSON(t, f)), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, back); diff != "" {
			t.Fatal("(-want +got)\n", diff)
		}
	})
}

// The names in the JSON form are stored data: a changed one would forget what
// has been paid.
func TestFactsAsStored(t *testing.T) {
	t.Parallel()
	const stored = `{"session":"cs_1","intent":"pi_1","charges":["ch_1"],"evidence":[{"amount":2500,"currency":"usd"}],` +
		`"implied":true,"free":true,"processing":true,"asyncFailed":true,"expired":true,"canceled":true,"failedAttempts":["ch_0"],"abandoned":true,` +
		`"gross":{"ch_1":500},"refunds":{"re_1":{"status":"failed","amount":500}},"disputes":{"dp_1":"lost"}}`
	want := order.Facts{
		Session: "cs_1", Intent: "pi_1", Charges: []string{"ch_1"}, Evidence: []order.Money{{Amount: 2500, Currency: "usd"}},
		Implied: true, Free: true, Processing: true, AsyncFailed: true, Expired: true, Canceled: true, FailedAttempts: []string{"ch_0"}, Abandoned: true,
		Gross: map[string]int64{"ch_1": 500}, Refunds: map[string]order.Refund{"re_1": {Status: "failed", Amount: 500}},
		Disputes: map[string]string{"dp_1": "lost"},
	}
	var got order.Facts
	if err := json.Unmarshal([]byte(stored), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if text := toJSON(t, want); text != stored {
		t.Errorf("stored as %s", text)
	}
	if empty := toJSON(t, order.Facts{}); empty != "{}" {
		t.Errorf("no facts are %s", empty)
	}
}

func TestObjectsOfFacts(t *testing.T) {
	t.Parallel()
	f := order.Facts{Session: "cs_1", Intent: "pi_1", Charges: []string{"ch_1", "ch_2"}, FailedAttempts: []string{"ch_1"},
		Gross: map[string]int64{"ch_1": 1}, Refunds: map[string]order.Refund{"re_2": {}, "re_1": {}}, Disputes: map[string]string{"dp_1": "won"}}
	if diff := cmp.Diff([]string{"cs_1", "pi_1", "ch_1", "ch_2", "re_1", "re_2", "dp_1"}, f.Objects()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if got := (order.Facts{Charges: []string{"ch_1"}}).Objects(); !cmp.Equal(got, []string{"ch_1"}) {
		t.Errorf("%v", got)
	}
}

func toJSON(t interface{ Fatal(...any) }, f order.Facts) string {
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

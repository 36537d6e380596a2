package order_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/order"
)

var update = flag.Bool("update", false, "rewrite the diagrams in states.md")

// said is a fact in the words of the diagrams.
type said struct {
	words string
	order.Facts
}

func refundOf(id, status string, amount int64) order.Facts {
	return order.Facts{Implied: true, Refunds: map[string]order.Refund{id: {Status: status, Amount: amount}}}
}

func disputeIs(status string) order.Facts {
	return order.Facts{Implied: true, Disputes: map[string]string{"dp_1": status}}
}

// everythingSaid is one of each kind of fact, and of refunds and disputes one
// for each thing that can become of them.
var everythingSaid = []said{
	{"under way", order.Facts{Processing: true}},
	{"attempt declined", order.Facts{FailedAttempts: []string{"ch_1"}}},
	{"failed for good", order.Facts{AsyncFailed: true}},
	{"session expired", order.Facts{Expired: true}},
	{"intent canceled", order.Facts{Canceled: true}},
	{"abandoned", order.Facts{Abandoned: true}},
	{"other money", order.Facts{Evidence: []order.Money{other}}},
	{"money", order.Facts{Evidence: []order.Money{asked}}},
	{"refund of a part", refundOf("re_1", "succeeded", 1000)},
	{"refund of a part failed", refundOf("re_1", "failed", 1000)},
	{"refund of all", refundOf("re_2", "succeeded", asked.Amount)},
	{"refund of all failed", refundOf("re_2", "failed", asked.Amount)},
	{"inquiry", disputeIs("warning_needs_response")},
	{"dispute", disputeIs("needs_response")},
	{"dispute lost", disputeIs("lost")},
	{"dispute won", disputeIs("won")},
}

// moves are the changes of state that have been seen, with what caused them.
type moves map[[2]string]map[string]bool

func (m moves) add(from, to, words string) {
	if from == to {
		return
	}
	if m[[2]string{from, to}] == nil {
		m[[2]string{from, to}] = map[string]bool{}
	}
	m[[2]string{from, to}][words] = true
}

// words are the causes of a move, in the order of everythingSaid.
func (m moves) words(from, to string) string {
	var words []string
	for _, s := range everythingSaid {
		if m[[2]string{from, to}][s.words] {
			words = append(words, s.words)
		}
	}
	return strings.Join(words, " / ")
}

// explore says every fact to an order of n payments in every state that can be
// reached so, and notes how its first payment and the order itself move.
func explore(t *testing.T, n int, facts []said) (payments, orders moves) {
	payments, orders = moves{}, moves{}
	seen, open := map[string]bool{}, []*order.Order{newOrder(make([]string, n)...)}
	for len(open) > 0 {
		before := open[0]
		open = open[1:]
		for _, s := range facts {
			for i := range before.Payments {
				o := *before
				o.Payments = nil
				for _, p := range before.Payments {
					copied := *p
					o.Payments = append(o.Payments, &copied)
				}
				if r := order.Apply(&o, o.Payments[i], entry("e", order.Contribution{Facts: s.Facts})); r.Err != nil && s.words != "other money" {
					t.Fatal(s.words, r.Err)
				}
				payments.add(string(before.Payments[0].Status), string(o.Payments[0].Status), s.words)
				orders.add(string(before.Status), string(o.Status), s.words)
				if key := keyOf(t, &o); !seen[key] {
					seen[key] = true
					open = append(open, &o)
				}
			}
		}
	}
	return payments, orders
}

func keyOf(t *testing.T, o *order.Order) string {
	var key strings.Builder
	for _, p := range o.Payments {
		key.WriteString(toJSON(t, p.Facts))
	}
	return key.String()
}

var (
	unsettled = []string{"PENDING", "PROCESSING", "FAILED", "EXPIRED", "CANCELED", "REVIEW"}
	settled   = []string{"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED", "DISPUTED", "DISPUTE_LOST"}
	all       = []string{"PAYMENT_PENDING", "PAYMENT_FAILED", "EXPIRED", "PAID", "REFUNDED"}
)

// drawPayments draws the moves within each half, and those from the first half
// to the second once for all of its states: they must not depend on which.
func drawPayments(t *testing.T, m moves) string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> PENDING\n")
	drawn := 0
	for _, half := range []struct {
		name   string
		states []string
	}{{"unsettled", unsettled}, {"settled", settled}} {
		fmt.Fprintf(&b, "    state %s {\n", half.name)
		for _, s := range half.states {
			fmt.Fprintf(&b, "        %s\n", s)
		}
		drawn += draw(&b, "        ", half.states, m)
		b.WriteString("    }\n")
	}
	for _, to := range settled {
		words := m.words("PENDING", to)
		fmt.Fprintf(&b, "    unsettled --> %s: %s\n", to, words)
		for _, from := range unsettled {
			drawn++
			if m.words(from, to) != words {
				t.Errorf("%s to %s by %q, but PENDING by %q", from, to, m.words(from, to), words)
			}
		}
	}
	if drawn != len(m) { // a state that is missing here, or a move back to the unsettled
		t.Errorf("%d of %d moves are drawn: %v", drawn, len(m), slices.Collect(maps.Keys(m)))
	}
	return b.String()
}

func drawOrders(t *testing.T, m moves) string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> PAYMENT_PENDING\n")
	if drawn := draw(&b, "    ", all, m); drawn != len(m) {
		t.Errorf("%d of %d moves are drawn: %v", drawn, len(m), slices.Collect(maps.Keys(m)))
	}
	return b.String()
}

func draw(b *strings.Builder, indent string, states []string, m moves) (drawn int) {
	for _, from := range states {
		for _, to := range states {
			if words := m.words(from, to); words != "" {
				fmt.Fprintf(b, "%s%s --> %s: %s\n", indent, from, to, words)
				drawn++
			}
		}
	}
	return drawn
}

// states.md says what the code does: every move of every payment and order that
// any facts, in any order, can lead to. With -update it is rewritten.
func TestStatesAreAsDrawn(t *testing.T) {
	t.Parallel()
	payments, orders := explore(t, 1, everythingSaid)
	// An order's second payment adds moves of the order, and none of a payment.
	// Most facts make no difference there; the states would be too many.
	morePayments, more := explore(t, 2, slices.DeleteFunc(slices.Clone(everythingSaid), func(s said) bool {
		return !slices.Contains([]string{"failed for good", "session expired", "intent canceled", "abandoned", "money", "refund of all", "refund of all failed"}, s.words)
	}))
	for move, words := range morePayments {
		if payments[move] == nil {
			t.Errorf("%v only with a second payment, by %v", move, words)
		}
	}
	for move, words := range more {
		for w := range words {
			orders.add(move[0], move[1], w)
		}
	}
	const file = "states.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const fence = "```mermaid\n"
	parts := strings.Split(string(text), fence)
	if len(parts) != 3 {
		t.Fatalf("%s has %d diagrams, want one of the payment and one of the order", file, len(parts)-1)
	}
	want := parts[0]
	for i, diagram := range []string{drawPayments(t, payments), drawOrders(t, orders)} {
		_, behind, _ := strings.Cut(parts[i+1], "```\n")
		want += fence + diagram + "```\n" + behind
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is out of date: go test ./pkg/order -run StatesAreAsDrawn -update (-code +file)\n%s", file, diff)
	}
}

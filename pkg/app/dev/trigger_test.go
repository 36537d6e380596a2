package dev_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tillhook/pkg/app"
	"tillhook/pkg/app/dev"
)

// A developer sends what Stripe would say, and sees what becomes of it.
func TestTrigger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	running(t, dir)
	trigger := func(args ...string) (string, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out bytes.Buffer
		err := dev.Run(ctx, app.Process{Args: append([]string{"trigger", "--dir", dir}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out})
		return out.String(), err
	}
	says := func(want string, args ...string) string {
		t.Helper()
		out, err := trigger(args...)
		if err != nil || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%v: %v, want %s:\n%s", args, err, want, out)
		}
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%v: a line of %d columns: %s", args, n, line)
			}
		}
		return out
	}
	says(`(?s)  paid +PAID, COMPLETED\n.*  refund.created\n`)
	out := says(`(?s)200  charge\.succeeded\n.*200  checkout\.session\.completed\n.*\n  order PAID, payment COMPLETED\n`, "paid")
	id := regexp.MustCompile(`order (order-\w+) `).FindStringSubmatch(out)
	says(`\n  order REFUNDED, payment REFUNDED\n`, "charge.refunded", "--order", id[1])
	says(`"duplicate":true(?s:.*)\n  order PAID, payment COMPLETED\n`, "declined, then paid", "--twice", "--shuffle", "--restaurant", "sushi-kaito")
	says(`checkout\.session\.completed:\n    amount or currency(?s:.*)\n  order PAYMENT_PENDING, payment REVIEW\n`, "checkout.session.completed", "--paid", "100")
	says(`  400  checkout\.session\.completed\n(?s:.*)\n  order PAYMENT_PENDING, payment PENDING\n`, "checkout.session.completed", "--forged")
	says(`  200  customer\.created\n(?s:.*)\n  order PAYMENT_PENDING, payment PENDING\n`, "customer.created")
	says(`  charge\.dispute\.created waits for a payment, which\n  one of these (?s:.*)ch_(?s:.*)\n  order PAYMENT_PENDING, payment PENDING\n`, "charge.dispute.created")
	for want, args := range map[string][]string{
		"25.00 EUR": {}, "9.99 USD": {"--amount", "999", "--currency", "USD"}, "900 JPY": {"--amount", "900", "--currency", "jpy"}, "2.500 KWD": {"--currency", "kwd"},
	} {
		says(`^  order order-\w+ of \w+, `+regexp.QuoteMeta(want)+`\n(?s:.*)\n  order PAID, payment COMPLETED\n`, append(args, "paid")...)
	}
	says(`amount or currency(?s:.*):\s+1 JPY,\s+asked\s+for\s+2500\s+JPY\n`, "paid", "--currency", "jpy", "--paid", "1")
	for want, args := range map[string][]string{
		`--currency "euro"`: {"paid", "--currency", "euro"},
		"--currency: leave it out, order " + id[1] + " has its own": {"paid", "--order", id[1], "--currency", "jpy"},
		`there is no story "payed"`:                                 {"payed"},
		"there is no restaurant nowhere":                            {"paid", "--restaurant", "nowhere"},
		"there is no such order":                                    {"paid", "--order", "order-nothing"},
		"nothing runs here":                                         {"paid", "--dir", t.TempDir()},
	} {
		if out, err := trigger(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s\n%s", args, err, want, out)
		}
	}
}

package order

import (
	"fmt"
	"slices"
	"strings"
)

// Money is an amount in the currency's minor unit (cents; yen as they are)
// and the lower-case ISO 4217 code.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Most currencies have a hundred minor units; Stripe counts these otherwise.
var (
	withoutMinorUnit   = []string{"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
	withThousandOfThem = []string{"bhd", "jod", "kwd", "omr", "tnd"}
)

// IsCurrency reports whether code is written as a lower-case ISO 4217 code is. There
// is no list of them: Stripe says what it takes, and adds to it.
func IsCurrency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") == ""
}

// String is the amount as people write it, such as 25.00 EUR: who has to decide
// on a refund must not have to know what a minor unit is.
func (m Money) String() string {
	digits := 2
	if slices.Contains(withoutMinorUnit, m.Currency) {
		digits = 0
	} else if slices.Contains(withThousandOfThem, m.Currency) {
		digits = 3
	}
	sign, amount := "", m.Amount
	if amount < 0 {
		sign, amount = "-", -amount
	}
	text := fmt.Sprintf("%0*d", digits+1, amount)
	if digits > 0 {
		text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	}
	return sign + text + " " + strings.ToUpper(m.Currency)
}

package order

import "testing"

func TestMoneyIsWrittenAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]Money{
		"25.00 EUR": {2500, "eur"}, "0.05 USD": {5, "usd"}, "0.00 EUR": {0, "eur"}, "-1.50 EUR": {-150, "eur"},
		"2500 JPY": {2500, "jpy"}, "0 JPY": {0, "jpy"}, "2.500 KWD": {2500, "kwd"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%d %s is %s, want %s", m.Amount, m.Currency, got, want)
		}
	}
}

func TestCurrenciesAreWrittenInThreeLetters(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"eur": true, "jpy": true, "EUR": false, "eu": false, "euro": false, "e1r": false, "": false, "é€": false} {
		if IsCurrency(code) != want {
			t.Errorf("%q is a currency: %t", code, !want)
		}
	}
}

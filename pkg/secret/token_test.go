package secret

import (
	"strings"
	"testing"
)

// The value was computed by other means, from HKDF (RFC 5869) and HMAC as they
// are written. Customers hold tokens: they must not change.
func TestOrderTokens(t *testing.T) {
	t.Parallel()
	a, both, b := ring(t, keyA).OrderTokens(), ring(t, keyB+","+keyA).OrderTokens(), ring(t, keyB).OrderTokens()
	token := a.Token("order-1")
	if want := "ot_QtG67gqXWPFP9Np3kZ5zDp3044-7RAKqdCtmwENm7zg"; token != want {
		t.Errorf("got %s, want %s", token, want)
	}
	for _, c := range []struct {
		name      string
		by        *OrderTokens
		id, token string
		ok        bool
	}{
		{"its own", a, "order-1", token, true},
		{"of an older key", both, "order-1", token, true},
		{"of the first key", both, "order-1", b.Token("order-1"), true},
		{"the first key signs", b, "order-1", both.Token("order-1"), true},
		{"of a key that is gone", b, "order-1", token, false},
		{"another order's", a, "order-2", token, false},
		{"none", a, "order-1", "", false},
		{"the beginning", a, "order-1", token[:len(token)-1], false},
		{"with more", a, "order-1", token + "A", false},
		{"other case", a, "order-1", strings.ToUpper(token), false},
		{"without its prefix", a, "order-1", strings.TrimPrefix(token, "ot_"), false},
	} {
		if got := c.by.Check(c.id, c.token); got != c.ok {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	// Whoever starts without keys has tokens that nobody can compute.
	if x, y := ring(t, "").OrderTokens(), ring(t, "").OrderTokens(); x.Token("o") == y.Token("o") || !x.Check("o", x.Token("o")) {
		t.Error("a ring without keys gives everybody the same tokens, or none")
	}
}

func TestShopKeys(t *testing.T) {
	t.Parallel()
	x, y := NewShopKey(), NewShopKey()
	if x == y || !IsShopKey(x.Reveal()) || len(x) != 47 {
		t.Errorf("%q %q", x.Reveal(), y.Reveal())
	}
	if p := ShopKeyPrefix(x); len(p) != 12 || !strings.HasPrefix(x.Reveal(), p) {
		t.Error(p)
	}
	if string(HashShopKey(x.Reveal())) == string(HashShopKey(y.Reveal())) {
		t.Error("two keys have one hash")
	}
	for _, text := range []string{"", "thk_", "thk_abc", "sk_test_" + x.Reveal()[4:], x.Reveal() + "A", x.Reveal()[:46], "thk_" + strings.Repeat("+", 43)} {
		if IsShopKey(text) {
			t.Errorf("%q passes", text)
		}
	}
}

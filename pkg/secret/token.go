package secret

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const (
	tokenPrefix = "ot_"

	// tokenDomain keeps the keys of tokens apart from whatever else is made of
	// the same encryption keys, and must not change: customers hold tokens.
	tokenDomain = "tillhook/order-token/v1"
)

// OrderTokens makes and checks the tokens that let a customer see an order.
// They are computed, not stored, so that an order which the ordering
// application has inserted by SQL has one, too. It is safe for concurrent use.
type OrderTokens struct{ keys [][]byte }

// OrderTokens are signed under a key derived from the ring's first, and good if
// any of its keys has signed them. A ring without keys makes one that nobody
// else has and that ends with the process.
func (r *Ring) OrderTokens() *OrderTokens {
	t := &OrderTokens{}
	for _, k := range r.keys {
		t.keys = append(t.keys, k.token)
	}
	if len(t.keys) == 0 {
		key := make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
		t.keys = [][]byte{key}
	}
	return t
}

// Token is an order's.
func (t *OrderTokens) Token(orderID string) string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(sign(t.keys[0], orderID))
}

// Check reports whether token is one of the order's. It tries every key, and
// takes as long whatever it finds.
func (t *OrderTokens) Check(orderID, token string) bool {
	found := false
	for _, key := range t.keys {
		want := tokenPrefix + base64.RawURLEncoding.EncodeToString(sign(key, orderID))
		if hmac.Equal([]byte(want), []byte(token)) {
			found = true
		}
	}
	return found
}

func sign(key []byte, orderID string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(orderID))
	return mac.Sum(nil)
}

func tokenKey(raw []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, raw, nil, tokenDomain, sha256.Size)
}

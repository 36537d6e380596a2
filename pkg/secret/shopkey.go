package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	shopKeyPrefix = "thk_"
	shopKeyBytes  = 32

	// shownDigits of a key are told, for people to know it by: they leave 208
	// bits that nobody knows.
	shownDigits = 8
)

// NewShopKey makes a key with which a storefront creates orders.
func NewShopKey() Text {
	raw := make([]byte, shopKeyBytes)
	_, _ = rand.Read(raw) // never fails
	return Text(shopKeyPrefix + base64.RawURLEncoding.EncodeToString(raw))
}

// IsShopKey reports whether text has the form of such a key.
func IsShopKey(text string) bool {
	digits, ok := strings.CutPrefix(text, shopKeyPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(digits)
	return ok && err == nil && len(raw) == shopKeyBytes
}

// HashShopKey is what is stored of a key. A key is random enough that a hash
// without salt or toil gives no hold for guessing.
func HashShopKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// ShopKeyPrefix is how a key begins, as far as it may be told.
func ShopKeyPrefix(key Text) string { return string(key[:len(shopKeyPrefix)+shownDigits]) }

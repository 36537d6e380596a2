package secret

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	fingerprintDigits    = 16 // 64 bits: enough to tell secrets apart, no help in guessing one
	keyFingerprintDigits = 8

	// keyDomain keeps the fingerprint of a key from being the beginning of
	// its plain SHA-256, which somebody might have used for something else.
	keyDomain = "tillhook/encryption-key\x00"
)

// Fingerprint tells two secrets apart without telling either: the first 16 hex
// digits of the SHA-256 of its UTF-8 bytes. The database computes the same
// with left(encode(sha256(convert_to(secret, 'UTF8')), 'hex'), 16), so it must
// not change. Stripe's secrets are random enough that the hash gives no hold
// for guessing.
func Fingerprint(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])[:fingerprintDigits]
}

func keyFingerprint(raw []byte) string {
	sum := sha256.Sum256(append([]byte(keyDomain), raw...))
	return hex.EncodeToString(sum[:])[:keyFingerprintDigits]
}

// Package secret keeps the restaurants' signing secrets and API keys: sealed
// at rest (ring.go), told apart without being told (fingerprint.go), and never
// printed (text.go).
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// What can be wrong with a stored value or with the keys. No text holds a
// secret, a stored value or a key.
var (
	// ErrEmpty says that there is no secret: nothing, blanks, or a prefix with
	// nothing behind it. It must never be used as one, as anybody can sign
	// with it.
	ErrEmpty = errors.New("the secret is empty")
	// ErrFormat says that a stored value is neither a plain secret nor sealed.
	ErrFormat = errors.New("the stored secret has an unknown format")
	// ErrKey says that none of the keys opens a stored value: it was sealed
	// with another key, for another row, or was changed since.
	ErrKey = errors.New("no key opens the stored secret")
)

const (
	// sealedPrefix names the scheme, so that a later one can be told from it:
	// standard base64 of nonce, AES-256-GCM ciphertext and tag.
	sealedPrefix = "v1:"

	keySize = 32 // AES-256

	nonceSize = 12 // of GCM
	tagSize   = 16 // of GCM
)

// plainPrefixes are those of Stripe's signing secrets, secret API keys and
// restricted API keys.
var plainPrefixes = [...]string{"whsec_", "sk_", "rk_"}

// strict refuses a last character whose unused bits are set: one value, one
// text.
var strict = base64.StdEncoding.Strict()

// Ring is the keys for secrets at rest: the first seals, all open. It is safe
// for concurrent use, and prints as the fingerprints of its keys.
type Ring struct {
	keys []key
}

type key struct {
	aead        cipher.AEAD
	fingerprint string
	token       []byte // derived: the key of order tokens
}

// ParseRing reads comma-separated keys of 64 hex digits each, newest first;
// blanks around a key are ignored. The empty string makes a ring without keys,
// which opens plain secrets and seals nothing. An error says which key is
// wrong, counted from 1, and never its value.
func ParseRing(keys string) (*Ring, error) {
	r := &Ring{}
	if strings.TrimSpace(keys) == "" {
		return r, nil
	}
	for i, digits := range strings.Split(keys, ",") {
		digits = strings.TrimSpace(digits)
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != keySize {
			// hex's own error would quote a character of the key.
			return nil, fmt.Errorf("key %d is not %d hex digits (it has %d characters)",
				i+1, hex.EncodedLen(keySize), len(digits))
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("making a cipher of key %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("making a cipher of key %d: %w", i+1, err)
		}
		token, err := tokenKey(raw)
		if err != nil {
			return nil, fmt.Errorf("deriving from key %d: %w", i+1, err)
		}
		r.keys = append(r.keys, key{aead, keyFingerprint(raw), token})
	}
	return r, nil
}

// Seal encrypts plain under the ring's first key, for the row with the given
// id only: the value does not open in another row. Whitespace around plain is
// not part of it. It answers ErrEmpty for an empty secret, ErrFormat for one
// that is sealed already, and ErrKey if the ring has no keys.
func (r *Ring) Seal(plain, rowID string) (string, error) {
	plain = strings.TrimSpace(plain)
	switch {
	case empty(plain):
		return "", ErrEmpty
	case strings.HasPrefix(plain, sealedPrefix):
		return "", fmt.Errorf("%w: it is sealed already", ErrFormat)
	case len(r.keys) == 0:
		return "", fmt.Errorf("%w: there is no key to seal it with", ErrKey)
	}
	sealed := r.keys[0].aead.Seal(nil, nil, []byte(plain), []byte(rowID))
	return sealedPrefix + strict.EncodeToString(sealed), nil
}

// Open is the secret in a stored value: a plain one (see IsPlain) as it is but
// for whitespace around it, a sealed one decrypted with whichever key opens
// it. It answers ErrEmpty, ErrFormat, or ErrKey with the fingerprints of the
// keys that were tried.
func (r *Ring) Open(stored, rowID string) (string, error) {
	plain, _, err := r.open(stored, rowID)
	return plain, err
}

// NeedsReseal reports whether a stored value can and should be sealed anew
// because it is plain, or sealed under another key than the first.
func (r *Ring) NeedsReseal(stored, rowID string) bool {
	_, by, err := r.open(stored, rowID)
	return err == nil && by != 0 && len(r.keys) > 0
}

// notSealed is the key of plain secrets.
const notSealed = -1

// open is Open that also tells which key it was, or notSealed.
func (r *Ring) open(stored, rowID string) (plain string, by int, err error) {
	stored = strings.TrimSpace(stored)
	if empty(stored) {
		return "", notSealed, ErrEmpty
	}
	if IsPlain(stored) {
		return stored, notSealed, nil
	}
	text, ok := strings.CutPrefix(stored, sealedPrefix)
	// The decoder skips line breaks, even a strict one.
	if !ok || strings.ContainsAny(text, "\r\n") {
		return "", notSealed, ErrFormat
	}
	sealed, err := strict.DecodeString(text)
	if err != nil || len(sealed) < nonceSize+tagSize {
		return "", notSealed, ErrFormat
	}
	for i, k := range r.keys {
		opened, err := k.aead.Open(nil, nil, sealed, []byte(rowID))
		if err != nil {
			continue // no news: GCM only ever says that it did not open
		}
		if empty(string(opened)) {
			return "", i, ErrEmpty
		}
		return string(opened), i, nil
	}
	return "", notSealed, fmt.Errorf("%w: tried %s", ErrKey, r)
}

// IsPlain reports whether a stored value is a secret as Stripe gave it out,
// which is what an operator stores by SQL.
func IsPlain(stored string) bool {
	stored = strings.TrimSpace(stored)
	for _, prefix := range plainPrefixes {
		if strings.HasPrefix(stored, prefix) {
			return true
		}
	}
	return false
}

// Plain reports whether stored is a plain secret that this ring could seal.
func (r *Ring) Plain(stored string) bool {
	return len(r.keys) > 0 && IsPlain(stored) && !empty(strings.TrimSpace(stored))
}

// Fingerprint is the function of the same name.
func (*Ring) Fingerprint(plain string) string { return Fingerprint(plain) }

// empty reports whether a trimmed secret has nothing secret in it.
func empty(secret string) bool {
	for _, prefix := range plainPrefixes {
		if secret == prefix {
			return true
		}
	}
	return secret == ""
}

// Fingerprints are those of the keys, the sealing one first: eight hex digits
// each, to compare two machines' configurations by.
func (r *Ring) Fingerprints() []string {
	all := make([]string, len(r.keys))
	for i, k := range r.keys {
		all[i] = k.fingerprint
	}
	return all
}

// String names the keys by their fingerprints.
func (r *Ring) String() string {
	if len(r.keys) == 0 {
		return "no keys"
	}
	return "keys " + strings.Join(r.Fingerprints(), ", ")
}

// Format prints String for every verb: no verb may reach the ciphers.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue logs String.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

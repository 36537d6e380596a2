package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// Tolerance is how far the time in a signature may be from ours, in both
	// directions: the five minutes of Stripe's own libraries ("Verify webhook
	// signatures"). It can't be configured, because in most of those a zero
	// turns the check off.
	Tolerance = 300 * time.Second

	// MaxSignatures bounds the v1 elements of one header. Stripe sends one for
	// each active secret of an endpoint, that is one or two.
	MaxSignatures = 32

	// MaxHeaderLength bounds the header, in bytes, before it is looked at. 32
	// signatures need 2.2 KB; the rest is room for schemes yet to come.
	MaxHeaderLength = 4096

	// maxTimeDigits keeps the timestamp inside an int64 without an overflow
	// check; today's have ten digits.
	maxTimeDigits = 18
)

// What can be wrong with a signature. None of the texts holds a part of the
// header, the body or a secret.
var (
	ErrNotSigned     = errors.New("the delivery has no signature")
	ErrInvalidHeader = errors.New("the signature header is malformed")
	ErrStale         = errors.New("the signature is too old")
	ErrFuture        = errors.New("the signature is from the future")
	// ErrNoMatch is for the caller to report once Match said no to every
	// secret that came into question.
	ErrNoMatch = errors.New("no secret matches the signature")
)

// Signature is a parsed Stripe-Signature header. It has room for all
// signatures in itself, so that parsing allocates nothing.
type Signature struct {
	// Timestamp is when Stripe signed this attempt, to the second. Every
	// attempt is signed anew: a retry hours later has a fresh one.
	Timestamp time.Time

	signedTime string // the digits as they stand in the header: these are signed
	count      int    // how many of v1 are used
	v1         [MaxSignatures][sha256.Size]byte
}

// ParseSignature reads the value of a Stripe-Signature header, for example
// "t=1700000000,v1=5257a8…,v0=6ffbb5…". It wants exactly one t, a canonical
// integer, and up to MaxSignatures v1, of which at least one has 64 hex
// digits. It answers ErrNotSigned for an empty header and ErrInvalidHeader for
// any other fault.
//
// Elements of other schemes are ignored, whatever they hold ("Verify webhook
// signatures": ignore all schemes that aren't v1). So is a v1 that is no
// SHA-256 in hex, as in Stripe's libraries. Blanks around an element are
// ignored too, because a proxy may fold ", " into a header; that is harmless,
// as only t and a v1 decide, and neither may hold a blank. Two t are refused
// instead of the last one winning: it is what two joined headers look like.
func ParseSignature(header string) (Signature, error) {
	var s Signature
	if len(header) > MaxHeaderLength {
		return Signature{}, ErrInvalidHeader
	}
	if strings.Trim(header, " \t") == "" {
		return Signature{}, ErrNotSigned
	}
	elements := 0 // of scheme v1, good or not
	for rest, more := header, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, ",")
		scheme, value, ok := strings.Cut(strings.Trim(element, " \t"), "=")
		switch {
		case !ok:
			return Signature{}, ErrInvalidHeader
		case scheme == "t":
			if s.signedTime != "" || !s.setTime(value) {
				return Signature{}, ErrInvalidHeader
			}
		case scheme == "v1":
			if elements++; elements > MaxSignatures {
				return Signature{}, ErrInvalidHeader
			}
			s.add(value)
		}
	}
	if s.signedTime == "" || s.count == 0 {
		return Signature{}, ErrInvalidHeader
	}
	return s, nil
}

// setTime takes a canonical decimal integer: no sign, no leading zero. Any
// other way to write the number would be a second text for the same time.
func (s *Signature) setTime(digits string) bool {
	if digits == "" || len(digits) > maxTimeDigits || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	var seconds int64
	for i := range len(digits) {
		d := digits[i]
		if d < '0' || d > '9' {
			return false
		}
		seconds = seconds*10 + int64(d-'0')
	}
	s.signedTime, s.Timestamp = digits, time.Unix(seconds, 0).UTC()
	return true
}

// add keeps a v1 of 64 hex digits, of either case, and skips any other.
func (s *Signature) add(digits string) {
	if len(digits) != hex.EncodedLen(sha256.Size) {
		return
	}
	var text [2 * sha256.Size]byte
	copy(text[:], digits)
	if _, err := hex.Decode(s.v1[s.count][:], text[:]); err == nil {
		s.count++
	}
}

// CheckTime answers ErrStale or ErrFuture, with the difference in seconds, if
// the signature's time is more than Tolerance away from now. The future is
// refused because such a delivery could be replayed until its time has come.
// The difference tells an operator whose clock is wrong.
func (s Signature) CheckTime(now time.Time) error {
	// Sub saturates, so that a time in the year 30 billion stays far away,
	// even if its distance can't be negated.
	switch age := now.Sub(s.Timestamp); {
	case age > Tolerance:
		return fmt.Errorf("%w: signed %s ago", ErrStale, age.Round(time.Second))
	case age < -Tolerance:
		return fmt.Errorf("%w: signed %s ahead of our clock", ErrFuture, (-age).Round(time.Second))
	}
	return nil
}

// Match reports whether one of the signatures is the HMAC-SHA256 of the
// header's time, a dot and body under secret. The secret is used as it is,
// with its whsec_ prefix. A blank secret matches nothing: anyone can compute
// that HMAC.
//
// The HMAC is computed once; every signature is compared, in constant time,
// whichever matched.
func (s Signature) Match(secret string, body []byte) bool {
	if strings.TrimSpace(secret) == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	scratch := make([]byte, 0, sha256.Size) // holds the time and the dot, then the sum
	scratch = append(scratch, s.signedTime...)
	mac.Write(append(scratch, '.'))
	mac.Write(body)
	sum := mac.Sum(scratch[:0])
	matches := 0
	for i := range s.count {
		matches |= subtle.ConstantTimeCompare(sum, s.v1[i][:])
	}
	return matches == 1
}

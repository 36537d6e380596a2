package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a password costs to check: OWASP's recommendation for argon2id, with a
// parallelism of one. A stored hash names its own, so that these may grow.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	saltLength   = 16
	hashLength   = 32

	// maxArgonMemory bounds what a stored hash may ask for.
	maxArgonMemory = 1 << 20 // KiB
)

// ErrPasswordHash says that what is stored is no hash of ours.
var ErrPasswordHash = errors.New("not an argon2id hash")

// HashPassword makes what is stored of a password, in the PHC format.
func HashPassword(password string) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	hash := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, hashLength)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64(salt), b64(hash))
}

// CheckPassword reports whether password is the one that stored was made of. It
// takes as long whichever it is.
func CheckPassword(stored, password string) (bool, error) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, ErrPasswordHash
	}
	var version int
	var memory, rounds uint32
	var threads uint8
	if n, err := fmt.Sscanf(parts[2], "v=%d", &version); n != 1 || err != nil || version != argon2.Version {
		return false, ErrPasswordHash
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &rounds, &threads); n != 3 || err != nil ||
		memory > maxArgonMemory || rounds == 0 || rounds > 64 || threads == 0 {
		return false, ErrPasswordHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, ErrPasswordHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != hashLength {
		return false, ErrPasswordHash
	}
	got := argon2.IDKey([]byte(password), salt, rounds, memory, threads, hashLength)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

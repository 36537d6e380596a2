package secret_test

import (
	"errors"
	"strings"
	"testing"

	"tillhook/pkg/secret"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	stored := secret.HashPassword("correct horse battery")
	if stored == secret.HashPassword("correct horse battery") {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false} {
		if got, err := secret.CheckPassword(stored, password); err != nil || got != want {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
	for _, broken := range []string{"", "plain", strings.Replace(stored, "argon2id", "argon2i", 1), strings.Replace(stored, "m=19456", "m=99999999", 1),
		strings.Replace(stored, "t=2", "t=0", 1), strings.Replace(stored, "p=1", "p=0", 1), strings.Replace(stored, "v=19", "v=16", 1), stored[:len(stored)-4]} {
		if ok, err := secret.CheckPassword(broken, "correct horse battery"); ok || !errors.Is(err, secret.ErrPasswordHash) {
			t.Errorf("%q: %v, %v", broken, ok, err)
		}
	}
}

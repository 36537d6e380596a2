package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	keyA  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	keyB  = "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"
	whsec = "whsec_only_for_tests"
)

func ring(tb testing.TB, keys string) *Ring {
	tb.Helper()
	r, err := ParseRing(keys)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func seal(tb testing.TB, r *Ring, plain, rowID string) string {
	tb.Helper()
	sealed, err := r.Seal(plain, rowID)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func TestParseRing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, keys string
		count      int
		err        string
	}{
		{"none", "", 0, ""},
		{"blank", " \n", 0, ""},
		{"one", keyA, 1, ""},
		{"two, with blanks and upper case", " " + keyB + " ,\n" + keyA + "\n", 2, ""},
		{"short", keyA[2:], 0, "key 1 is not 64 hex digits (it has 62 characters)"},
		{"long", keyA + "00", 0, "key 1 is not 64 hex digits (it has 66 characters)"},
		{"no hex in the second", keyA + "," + strings.Repeat("q", 64), 0, "key 2 is not 64 hex digits (it has 64 characters)"},
		{"comma at the end", keyA + ",", 0, "key 2 is not 64 hex digits (it has 0 characters)"},
		{"base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0, "key 1 is not 64 hex digits (it has 44 characters)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := ParseRing(test.keys)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != test.err {
				t.Fatalf("error %q, want %q", text, test.err)
			}
			if err == nil && len(r.Fingerprints()) != test.count {
				t.Errorf("%s, want %d keys", r, test.count)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	a, b, both := ring(t, keyA), ring(t, keyB), ring(t, keyB+","+keyA)
	sealedA := seal(t, a, whsec, "row_1")
	short := sealedPrefix + base64.StdEncoding.EncodeToString(make([]byte, nonceSize+tagSize-1))
	tests := []struct {
		name        string
		ring        *Ring
		stored, row string
		want        string
		err         error
	}{
		{"sealed", a, sealedA, "row_1", whsec, nil},
		{"sealed, with blanks", a, "\n" + sealedA + " ", "row_1", whsec, nil},
		{"sealed by an older key", both, sealedA, "row_1", whsec, nil},
		{"plain", a, whsec, "row_1", whsec, nil},
		{"plain, with blanks", a, " \t" + whsec + "\n", "row_1", whsec, nil},
		{"plain without keys", ring(t, ""), whsec, "row_1", whsec, nil},
		{"secret API key", a, "sk_test_x", "row_1", "sk_test_x", nil},
		{"restricted API key", a, "rk_live_x", "row_1", "rk_live_x", nil},

		{"empty", a, "", "row_1", "", ErrEmpty},
		{"blank", a, " \n", "row_1", "", ErrEmpty},
		{"prefix alone", a, "whsec_", "row_1", "", ErrEmpty},
		{"prefix of an API key alone", a, "sk_ ", "row_1", "", ErrEmpty},
		{"other row", a, sealedA, "row_2", "", ErrKey},
		{"other key", b, sealedA, "row_1", "", ErrKey},
		{"no keys", ring(t, ""), sealedA, "row_1", "", ErrKey},
		{"anything", a, "hunter2", "row_1", "", ErrFormat},
		{"publishable key", a, "pk_test_x", "row_1", "", ErrFormat},
		{"prefix in upper case", a, "WHSEC_x", "row_1", "", ErrFormat},
		{"scheme to come", a, "v2:" + sealedA[3:], "row_1", "", ErrFormat},
		{"scheme alone", a, sealedPrefix, "row_1", "", ErrFormat},
		{"no base64", a, sealedPrefix + "?", "row_1", "", ErrFormat},
		{"URL base64", a, sealedPrefix + strings.Repeat("_-", 40), "row_1", "", ErrFormat},
		{"too short for a tag", a, short, "row_1", "", ErrFormat},
		{"line break inside", a, sealedA[:20] + "\n" + sealedA[20:], "row_1", "", ErrFormat},
		{"cut", a, sealedA[:len(sealedA)-4], "row_1", "", ErrKey},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.ring.Open(test.stored, test.row)
			if got != test.want || !errors.Is(err, test.err) {
				t.Fatalf("got %q, %v; want %q, %v", got, err, test.want, test.err)
			}
			if err != nil && len(test.stored) > 6 && strings.Contains(err.Error(), test.stored) {
				t.Errorf("the error tells the value: %v", err)
			}
		})
	}
}

// A sealed empty secret can only come from elsewhere; it is no secret either.
func TestOpenOfSealedNothing(t *testing.T) {
	t.Parallel()
	r := ring(t, keyA)
	for _, nothing := range []string{"", "whsec_"} {
		stored := sealedPrefix + strict.EncodeToString(r.keys[0].aead.Seal(nil, nil, []byte(nothing), []byte("row")))
		if got, err := r.Open(stored, "row"); got != "" || !errors.Is(err, ErrEmpty) {
			t.Errorf("%q: got %q, %v", nothing, got, err)
		}
	}
}

// The value was made with another implementation (AESGCM of Python's
// cryptography): what is in databases must open for ever.
func TestOpenOfAStoredValue(t *testing.T) {
	t.Parallel()
	const stored = "v1:bWFkZSBieSBweXRoR9Iw1CIX71IgdfPUXL8ZdliaAccsM6mqLBPWRY9j9OF9vmxR"
	got, err := ring(t, keyA).Open(stored, "row_1")
	if got != whsec || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// The four bits of the last digit before a padding that no byte uses would
// otherwise be anyone's to change.
func TestOpenTakesOneTextForAValue(t *testing.T) {
	t.Parallel()
	r := ring(t, keyA)
	sealed := []byte(seal(t, r, "whsec_xyz", "row")) // 37 bytes: two digits, two =
	digit := len(sealed) - 1 - strings.Count(string(sealed), "=")
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	sealed[digit] = digits[strings.IndexByte(digits, sealed[digit])|1]
	if got, err := r.Open(string(sealed), "row"); !errors.Is(err, ErrFormat) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	a := ring(t, keyA)
	one, two := seal(t, a, whsec, "row"), seal(t, a, whsec, "row")
	if one == two {
		t.Error("the same nonce twice")
	}
	if strings.Contains(one, whsec) || IsPlain(one) {
		t.Errorf("not sealed: %s", one)
	}
	if got, err := a.Open(seal(t, a, "  "+whsec+"\n", "row"), "row"); got != whsec || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for plain, want := range map[string]error{"": ErrEmpty, " ": ErrEmpty, "whsec_": ErrEmpty, one: ErrFormat} {
		if got, err := a.Seal(plain, "row"); got != "" || !errors.Is(err, want) {
			t.Errorf("%q: got %q, %v, want %v", plain, got, err, want)
		}
	}
	if _, err := ring(t, "").Seal(whsec, "row"); !errors.Is(err, ErrKey) {
		t.Errorf("sealed without a key: %v", err)
	}
}

func TestNeedsReseal(t *testing.T) {
	t.Parallel()
	a, ba := ring(t, keyA), ring(t, keyB+","+keyA)
	sealedA := seal(t, a, whsec, "row")
	tests := []struct {
		name        string
		ring        *Ring
		stored, row string
		want        bool
	}{
		{"sealed by the first", a, sealedA, "row", false},
		{"sealed by the second", ba, sealedA, "row", true},
		{"plain", a, whsec, "row", true},
		{"plain without keys", ring(t, ""), whsec, "row", false},
		{"unreadable", ring(t, keyB), sealedA, "row", false},
		{"another row's", ba, sealedA, "row_2", false},
		{"empty", a, "", "row", false},
		{"unknown", a, "hunter2", "row", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.ring.NeedsReseal(test.stored, test.row); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// printed is a value through every verb that might show it.
func printed(v any) string {
	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x", "%10.3s", "%t"} {
		fmt.Fprintf(&all, verb+"\n", v)
	}
	return all.String()
}

func TestRingPrintsFingerprintsOnly(t *testing.T) {
	t.Parallel()
	r := ring(t, keyA+","+keyB)
	want := strings.Repeat("keys "+strings.Join(r.Fingerprints(), ", ")+"\n", 11)
	if diff := cmp.Diff(want, printed(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f := r.Fingerprints(); len(f) != 2 || f[0] == f[1] || len(f[0]) != keyFingerprintDigits || strings.HasPrefix(keyA, f[0]) {
		t.Errorf("fingerprints %q", f)
	}
	if _, err := r.Open(seal(t, ring(t, strings.Repeat("ab", 32)), whsec, "row"), "row"); !strings.Contains(fmt.Sprint(err), r.Fingerprints()[1]) {
		t.Errorf("the error does not say which keys were tried: %v", err)
	}
}

// Changing any one character, or the row, must not open; what is sealed opens
// as it was.
func FuzzOpen(f *testing.F) {
	f.Add(whsec, "row_1", 5, byte('A'))
	f.Add("sk_live_x", "", 0, byte('w'))
	f.Add(" x\n", "row\x00", 60, byte('\n'))
	f.Add("v1:AAAA", "v1:", 3, byte('='))
	f.Fuzz(func(t *testing.T, plain, row string, at int, b byte) {
		r := ring(t, keyB+","+keyA)
		if got, err := r.Open(plain, row); err == nil && got != strings.TrimSpace(plain) {
			t.Fatalf("Open(%q) = %q", plain, got)
		}
		sealed, err := r.Seal(plain, row)
		if err != nil {
			if !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if got, err := r.Open(sealed, row); got != strings.TrimSpace(plain) || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, plain)
		}
		if got, err := r.Open(sealed, row+"x"); !errors.Is(err, ErrKey) || got != "" {
			t.Fatalf("another row: %q, %v", got, err)
		}
		changed := []byte(sealed)
		at = int(uint(at) % uint(len(changed)))
		if changed[at] == b {
			return
		}
		changed[at] = b
		if got, err := r.Open(string(changed), row); err == nil {
			t.Fatalf("byte %d changed to %q: got %q", at, b, got)
		}
	})
}

package stripe

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/stripetest"
)

const (
	testSecret = "whsec_for_tests_only"
	someV1     = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func TestParseSignature(t *testing.T) {
	t.Parallel()
	many := func(n int) string { return "t=1700000000" + strings.Repeat(",v1="+someV1, n) }
	tests := []struct {
		name, header string
		signatures   int
		err          error
	}{
		{"as Stripe sends it", "t=1700000000,v1=" + someV1, 1, nil},
		{"a rolled secret", many(2), 2, nil},
		{"a test event's v0", "t=1700000000,v1=" + someV1 + ",v0=" + someV1, 1, nil},
		{"time last", "v1=" + someV1 + ",t=1700000000", 1, nil},
		{"upper case", "t=1700000000,v1=" + strings.ToUpper(someV1), 1, nil},
		{"blanks around elements", " t=1700000000 , v1=" + someV1 + "\t", 1, nil},
		{"a scheme to come with padding", "t=1700000000,v9=YQ==,v1=" + someV1, 1, nil},
		{"short v1 beside a good one", "t=1700000000,v1=abcd,v1=" + someV1, 1, nil},
		{"v1 that is not hex beside a good one", "t=1700000000,v1=" + strings.Repeat("x", 64) + ",v1=" + someV1, 1, nil},
		{"as many as allowed", many(MaxSignatures), MaxSignatures, nil},

		{"nothing", "", 0, ErrNotSigned},
		{"blanks", " \t ", 0, ErrNotSigned},
		{"one more than allowed", many(MaxSignatures + 1), 0, ErrInvalidHeader},
		{"too many bad ones", "t=1700000000,v1=" + someV1 + strings.Repeat(",v1=", MaxSignatures), 0, ErrInvalidHeader},
		{"too long", "t=1700000000,v1=" + someV1 + ",v2=" + strings.Repeat("a", MaxHeaderLength), 0, ErrInvalidHeader},
		{"no time", "v1=" + someV1, 0, ErrInvalidHeader},
		{"empty time", "t=,v1=" + someV1, 0, ErrInvalidHeader},
		{"two times", "t=1700000000,t=1700000000,v1=" + someV1, 0, ErrInvalidHeader},
		{"two headers joined", "t=1700000000,v1=" + someV1 + ", t=1700000001,v1=" + someV1, 0, ErrInvalidHeader},
		{"signed time", "t=+1700000000,v1=" + someV1, 0, ErrInvalidHeader},
		{"negative time", "t=-1,v1=" + someV1, 0, ErrInvalidHeader},
		{"leading zero", "t=01700000000,v1=" + someV1, 0, ErrInvalidHeader},
		{"blank in the time", "t= 1700000000,v1=" + someV1, 0, ErrInvalidHeader},
		{"hexadecimal time", "t=0x10,v1=" + someV1, 0, ErrInvalidHeader},
		{"time beyond an int64", "t=9999999999999999999,v1=" + someV1, 0, ErrInvalidHeader},
		{"no v1", "t=1700000000,v0=" + someV1, 0, ErrInvalidHeader},
		{"no good v1", "t=1700000000,v1=" + someV1[1:], 0, ErrInvalidHeader},
		{"scheme in upper case", "t=1700000000,V1=" + someV1, 0, ErrInvalidHeader},
		{"element without a value", "t=1700000000,v1=" + someV1 + ",", 0, ErrInvalidHeader},
		{"words", "let me in", 0, ErrInvalidHeader},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSignature(test.header)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if s.count != test.signatures {
				t.Errorf("%d signatures, want %d", s.count, test.signatures)
			}
			if err == nil && !s.Timestamp.Equal(time.Unix(1700000000, 0)) {
				t.Errorf("time %s", s.Timestamp)
			}
		})
	}
}

func TestCheckTime(t *testing.T) {
	t.Parallel()
	signed := time.Unix(1700000000, 0)
	tests := []struct {
		name string
		now  time.Time
		want error
		text string
	}{
		{"now", signed, nil, ""},
		{"as old as allowed", signed.Add(Tolerance), nil, ""},
		{"as far ahead as allowed", signed.Add(-Tolerance), nil, ""},
		{"too old", signed.Add(Tolerance + 1), ErrStale, "the signature is too old: signed 5m0s ago"},
		{"too far ahead", signed.Add(-Tolerance - time.Second), ErrFuture, "the signature is from the future: signed 5m1s ahead of our clock"},
		{"an hour, in whole seconds", signed.Add(time.Hour + 400*time.Millisecond), ErrStale, "the signature is too old: signed 1h0m0s ago"},
	}
	s, err := ParseSignature("t=1700000000,v1=" + someV1)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := s.CheckTime(test.now)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if err != nil && err.Error() != test.text {
				t.Errorf("text %q, want %q", err, test.text)
			}
		})
	}
}

// The distance to such times can't be held in a Duration.
func TestCheckTimeOfTheFarthestTimes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]error{
		"t=999999999999999999,v1=" + someV1: ErrFuture,
		"t=0,v1=" + someV1:                  ErrStale,
	} {
		s, err := ParseSignature(header)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckTime(time.Unix(1700000000, 0)); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", header, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"evt_1"}`)
	at := time.Unix(1700000000, 0)
	good := stripetest.Sign(testSecret, body, at)
	v1 := strings.TrimPrefix(good, "t=1700000000,v1=")
	tests := []struct {
		name, header, secret, body string
		want                       bool
	}{
		{"right", good, testSecret, string(body), true},
		{"right in upper case", "t=1700000000,v1=" + strings.ToUpper(v1), testSecret, string(body), true},
		{"right one last", "t=1700000000,v1=" + someV1 + ",v1=" + v1, testSecret, string(body), true},
		{"right one first", good + ",v1=" + someV1, testSecret, string(body), true},
		{"the same twice", good + ",v1=" + v1, testSecret, string(body), true},
		{"other secret", good, testSecret + "x", string(body), false},
		{"secret without its prefix", good, strings.TrimPrefix(testSecret, "whsec_"), string(body), false},
		{"other body", good, testSecret, string(body) + " ", false},
		{"other time", "t=1700000001,v1=" + v1, testSecret, string(body), false},
		{"right under another scheme", "t=1700000000,v0=" + v1 + ",v1=" + someV1, testSecret, string(body), false},
		{"empty secret signed as such", stripetest.Sign("", body, at), "", string(body), false},
		{"blank secret signed as such", stripetest.Sign(" \n", body, at), " \n", string(body), false},
		{"empty body", stripetest.Sign(testSecret, nil, at), testSecret, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSignature(test.header)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Match(test.secret, []byte(test.body)); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

// Every bit of the signature counts.
func TestMatchFailsOnAnyChangedDigit(t *testing.T) {
	t.Parallel()
	body := []byte("body")
	header := stripetest.Sign(testSecret, body, time.Unix(1700000000, 0))
	for i := strings.Index(header, "v1=") + 3; i < len(header); i++ {
		changed := []byte(header)
		changed[i] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", changed[i])]
		s, err := ParseSignature(string(changed))
		if err != nil {
			t.Fatal(err)
		}
		if s.Match(testSecret, body) {
			t.Errorf("digit %d may be any", i)
		}
	}
}

func TestSignatureErrorsTellNothing(t *testing.T) {
	t.Parallel()
	const canary = "c4na6y"
	for _, header := range []string{canary, "t=" + canary + ",v1=" + someV1, "t=1,v1=" + canary} {
		_, err := ParseSignature(header)
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: error %v", header, err)
		}
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	header := "t=1700000000,v1=" + someV1 + ",v0=" + someV1
	got := testing.AllocsPerRun(100, func() {
		if _, err := ParseSignature(header); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(0.0, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkParseSignature(b *testing.B) {
	header := "t=1700000000,v1=" + someV1
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSignature(header); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, size := range []int{3 << 10, 200 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			body := make([]byte, size)
			s, err := ParseSignature(stripetest.Sign(testSecret, body, time.Unix(1700000000, 0)))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if !s.Match(testSecret, body) {
					b.Fatal("no match")
				}
			}
		})
	}
}

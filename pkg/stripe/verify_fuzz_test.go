package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"tillhook/pkg/stripetest"
)

// sdkAccepts is stripe-go's opinion, without the age of the signature.
func sdkAccepts(header, secret string, body []byte) bool {
	return webhook.ValidatePayloadIgnoringTolerance(body, header, secret) == nil
}

func accepts(header, secret string, body []byte) bool {
	s, err := ParseSignature(header)
	return err == nil && s.Match(secret, body)
}

// Where stripe-go and this package differ, and that the difference is meant.
func TestStricterAndMoreLenientThanStripeGo(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	at := time.Unix(1700000000, 0)
	good := stripetest.Sign(testSecret, body, at)
	_, v1, _ := strings.Cut(good, ",")
	tests := []struct {
		name, header, secret string
		sdk, ours            bool
	}{
		{"good", good, testSecret, true, true},
		{"empty secret", stripetest.Sign("", body, at), "", true, false},
		{"plus sign", "t=+1700000000," + v1, testSecret, true, false},
		{"leading zero", "t=01700000000," + v1, testSecret, true, false},
		{"two times", "t=1," + good, testSecret, true, false},
		{"no time", strings.TrimPrefix(stripetest.Sign(testSecret, body, time.Time{}), "t=-62135596800,"), testSecret, true, false},
		{"33 signatures", good + strings.Repeat(","+v1, 32), testSecret, true, false},
		{"blank after the comma", strings.Replace(good, ",", ", ", 1), testSecret, false, true},
		{"padding in another scheme", good + ",v9=YQ==", testSecret, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := sdkAccepts(test.header, test.secret, body); got != test.sdk {
				t.Errorf("stripe-go says %t", got)
			}
			if got := accepts(test.header, test.secret, body); got != test.ours {
				t.Errorf("this package says %t", got)
			}
		})
	}
}

// stripe-go checks only the past.
func TestFutureSignatureIsRefusedThoughStripeGoTakesIt(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	header := stripetest.Sign(testSecret, body, time.Now().AddDate(10, 0, 0))
	if err := webhook.ValidatePayload(body, header, testSecret); err != nil {
		t.Errorf("stripe-go: %v", err)
	}
	s, err := ParseSignature(header)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckTime(time.Now()); err == nil {
		t.Error("accepted")
	}
}

// signText signs with any text for the time; stripetest.Sign takes a time.
func signText(secret, signedTime string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signedTime + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// FuzzParseSignature puts a right signature between two pieces of anything and
// compares with stripe-go, after taking away what the two are known to see
// differently.
func FuzzParseSignature(f *testing.F) {
	f.Add("1700000000", "", "", testSecret, []byte(`{"id":"evt_1"}`))
	f.Add("1700000000", "v0="+someV1+",", ",v1="+someV1, testSecret, []byte(`{}`))
	f.Add("01", " t=5,", ", v1=zz", "", []byte{})
	f.Add("-1", "v1", ",", "x", []byte{0})
	f.Add("99999999999999999999", "=,", ",v9=YQ==", "whsec_\xff", []byte("\xff"))
	f.Fuzz(func(t *testing.T, signedTime, before, after, secret string, body []byte) {
		header := before + "t=" + signedTime + ",v1=" + signText(secret, signedTime, body) + after

		schemes := map[string]int{}
		canonical := true // nothing that the two see differently
		var kept []string
		for _, element := range strings.Split(header, ",") {
			scheme, value, ok := strings.Cut(strings.Trim(element, " \t"), "=")
			schemes[scheme]++
			canonical = canonical && ok
			if scheme == "t" {
				canonical = canonical && value != "" && len(value) <= maxTimeDigits &&
					strings.Trim(value, "0123456789") == "" && (value == "0" || value[0] != '0')
			}
			if scheme == "t" || scheme == "v1" && !strings.Contains(value, "=") {
				kept = append(kept, scheme+"="+value)
			}
		}
		canonical = canonical && schemes["t"] == 1 && schemes["v1"] <= MaxSignatures &&
			len(header) <= MaxHeaderLength && strings.TrimSpace(secret) != ""

		got := accepts(header, secret, body)
		want := canonical && sdkAccepts(strings.Join(kept, ","), secret, body)
		if got != want {
			t.Errorf("header %q, secret %q: accepted %t, want %t", header, secret, got, want)
		}
	})
}

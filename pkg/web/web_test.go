package web

import (
	"net/http"
	"net/netip"
	"testing"
)

// Whose address counts, and who is believed.
func TestSenderAddress(t *testing.T) {
	t.Parallel()
	address := SenderAddress([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, c := range []struct{ peer, passed, want string }{
		{"192.0.2.1:1", "", "192.0.2.1"},
		{"192.0.2.1:1", "203.0.113.9", "192.0.2.1"}, // nobody whom we trust
		{"10.0.0.1:1", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:1", "rubbish", "10.0.0.1"},
		{"[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2:3::4"},
	} {
		req := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.passed != "" {
			req.Header.Set("X-Forwarded-For", c.passed)
		}
		if got := address(req); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.peer, c.passed, got, c.want)
		}
	}
	req := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}}
	if got := SenderAddress(nil)(req); got != "10.0.0.1" {
		t.Errorf("without proxies: %s", got)
	}
}

// Nobody gets round a limit with the addresses of his own network.
func TestPlace(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "a socket": "a socket",
	} {
		if got := Place(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestIsText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"": true, "evt_1": true, "caffè\n": true, "\x00": false, "a\x00b": false, "\xff": false, "caff\xe8": false} {
		if got := IsText(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

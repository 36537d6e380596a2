package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"tillhook/pkg/event"
)

// cause is why a delivery was probably refused, as a metric's label and as a
// sentence for operators. Neither holds a secret or a part of the body.
type cause struct{ name, detail string }

var (
	causeUnexamined  = cause{"unexamined", ""}
	causeUnsigned    = cause{"unsigned", ""} // no header, or not one of Stripe's
	causeUnparsable  = cause{"unparsable", "signed by the restaurant, but not an event"}
	causeNoConfig    = cause{"no_config", ""}
	causeUnknown     = cause{"unknown", "signed with a secret that is not ours: another endpoint's, mistyped when it was stored, or forged"}
	causeRetired     = cause{"retired_secret", "signed with the secret before this one, after its overlap: the old endpoint still delivers, delete it in the Dashboard"}
	causeOther       = cause{"other_restaurant", "signed with the secret of restaurant "}
	causeAPIKey      = cause{"api_key", "what is stored as the signing secret is an API key; the signing secret starts with whsec_"}
	causeWrongMode   = cause{"wrong_mode", "the event's livemode is not the configuration's: the secret is probably that of the endpoint in the other mode"}
	causeBodyAltered = cause{"body_altered", "the signature fits the body "}
	causeClockSkew   = cause{"clock_skew", "the restaurant's secret signed it: a replay, or a clock that is wrong"}
)

// examine finds the probable cause. What it tries can't let anyone in: the
// answer is out.
func (x *examiner) examine(ctx context.Context, d *delivery) cause {
	signature, err := x.format.ParseSignature(d.header)
	if err != nil {
		return causeUnsigned
	}
	if d.env.ID == "" { // refused before it was looked into
		d.env, _ = x.format.Scan(d.body) // an error leaves the zero envelope
	}
	known := x.directory.current.Load()
	if d.tenant == nil && d.name == "" {
		if found, err := x.resolver.candidates(ctx, known, d.env, len(d.body)); err == nil && len(found) == 1 {
			d.tenant = found[0]
		}
	}
	if d.tenant != nil {
		if why, found := x.examineTenant(d, signature); found {
			return why
		}
	}
	for i, t := range known.active {
		if i*(len(d.body)+512) > maxHashed {
			break
		}
		for _, s := range t.live(x.now()) {
			if t != d.tenant && signature.Match(s.value, d.body) {
				return cause{causeOther.name, causeOther.detail + t.restaurantID}
			}
		}
	}
	switch {
	case d.status == event.NoConfig:
		return causeNoConfig
	case d.tenant != nil && d.env.ID != "" && d.tenant.livemode != nil && d.env.Livemode != *d.tenant.livemode:
		return causeWrongMode
	}
	return causeUnknown
}

// examineTenant tries what the restaurant's own secrets can explain.
func (x *examiner) examineTenant(d *delivery, signature Signature) (cause, bool) {
	for _, s := range d.tenant.secrets {
		for _, prefix := range []string{"sk_", "rk_", "pk_"} {
			if strings.HasPrefix(s.value, prefix) {
				return causeAPIKey, true
			}
		}
		live := s.expires.IsZero() || x.now().Before(s.expires)
		switch {
		case !signature.Match(s.value, d.body):
			if how := alteration(s.value, d.body, signature); how != "" {
				return cause{causeBodyAltered.name, causeBodyAltered.detail + how}, true
			}
		case !live:
			return causeRetired, true
		case signature.CheckTime(x.now()) != nil:
			return causeClockSkew, true
		case d.env.ID == "":
			return causeUnparsable, true
		}
	}
	return cause{}, false
}

// alteration tries what middleware is known to do to JSON bodies, with the line
// break at the end that it may have added or taken as well.
func alteration(secret string, body []byte, signature Signature) string {
	for _, a := range []struct {
		how  string
		undo func([]byte) []byte
	}{
		{"with another line break at its end", bytes.TrimSpace},
		{"with plain line breaks", func(b []byte) []byte {
			return bytes.TrimSpace(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
		}},
		{"as Stripe indents it: something has re-encoded the JSON", func(b []byte) []byte {
			var indented bytes.Buffer
			if json.Indent(&indented, bytes.TrimSpace(b), "", "  ") != nil {
				return nil
			}
			return indented.Bytes()
		}},
		{"without blanks: something has re-encoded the JSON", func(b []byte) []byte {
			var compact bytes.Buffer
			if json.Compact(&compact, b) != nil {
				return nil
			}
			return compact.Bytes()
		}},
	} {
		other := a.undo(body)
		if other != nil && (signature.Match(secret, other) || signature.Match(secret, append(other, '\n'))) {
			return a.how
		}
	}
	return ""
}

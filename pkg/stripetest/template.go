package stripetest

import (
	_ "embed" // for the layouts
	"encoding/json"
	"strconv"
	"strings"
)

// The layouts are JSON with $names for values, so that they can be read (and
// compared with Stripe's API reference for 2023-10-16) as they go out.
var (
	//go:embed bodies/session.json
	sessionLayout string
	//go:embed bodies/charge.json
	chargeLayout string
	//go:embed bodies/intent.json
	intentLayout string
	//go:embed bodies/refund.json
	refundLayout string
	//go:embed bodies/dispute.json
	disputeLayout string
	//go:embed bodies/other.json
	otherLayout string

	sessionTemplate = parse(sessionLayout)
	chargeTemplate  = parse(chargeLayout)
	intentTemplate  = parse(intentLayout)
	refundTemplate  = parse(refundLayout)
	disputeTemplate = parse(disputeLayout)
	otherTemplate   = parse(otherLayout)
)

// template is a layout cut at its names: part, name, part, name … part. Bodies
// are put together by appending, because a benchmark needs them by the ten
// thousand and they must not be what it measures.
type template struct {
	parts []string
	names []string
	size  int
}

func parse(layout string) template {
	t := template{size: len(layout)}
	for {
		part, rest, found := strings.Cut(layout, "$")
		t.parts = append(t.parts, part)
		if !found {
			return t
		}
		end := strings.IndexFunc(rest, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		t.names = append(t.names, rest[:end])
		layout = rest[end:]
	}
}

// fill builds a body out of the values.
func (t template) fill(v *values) []byte {
	// Values are longer than their names; a fifth more than the layout is
	// enough for all but unusual metadata.
	b := make([]byte, 0, t.size+t.size/5+256)
	for i, name := range t.names {
		b = append(b, t.parts[i]...)
		b = v.append(b, name)
	}
	return append(b, t.parts[len(t.names)]...)
}

// text appends a JSON string, or null for the empty one, as Stripe does.
func text(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return quote(b, s)
}

func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always marshals
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func number(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func boolean(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

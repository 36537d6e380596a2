package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Text is a secret that does not print: whatever formats, logs or marshals it
// gets "[secret]". Only Reveal, or a conversion to string, gives it away, and
// both are easy to look for.
//
// Two gaps are left, because no method is asked there: %p, which go vet
// refuses for a string, and encoding/json's keys of a map, so it must not be
// one.
type Text string

const redacted = "[secret]"

// Reveal is the secret itself.
func (t Text) Reveal() string { return string(t) }

// String is "[secret]".
func (Text) String() string { return redacted }

// GoString is "[secret]".
func (Text) GoString() string { return redacted }

// Format prints "[secret]" for every verb, %q and %x among them.
func (Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs "[secret]".
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes "[secret]".
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes [secret]; encoders of XML and YAML ask for it.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

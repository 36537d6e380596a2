package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextDoesNotPrint(t *testing.T) {
	t.Parallel()
	const hidden = Text(whsec)
	if diff := cmp.Diff(strings.Repeat("[secret]\n", 11), printed(hidden)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	config := struct {
		Secret  Text
		Pointer *Text
		Both    []Text
		ByName  map[string]Text
	}{Secret: hidden, Both: []Text{hidden}, ByName: map[string]Text{"name": hidden}}
	pointer := hidden
	config.Pointer = &pointer

	var out bytes.Buffer
	out.WriteString(printed(config))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h).With("secret", hidden)
		log.Info(fmt.Sprint("secret ", hidden), "secret", hidden, "config", config, "pointer", &pointer, "error", errors.New(hidden.String()))
	}
	for _, marshal := range []func(any) ([]byte, error){
		json.Marshal,
		func(any) ([]byte, error) { return xml.Marshal(hidden) },
	} {
		b, err := marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	fmt.Fprintln(&out, hidden.GoString(), hidden.LogValue())
	if s := out.String(); strings.Contains(s, "whsec") || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", "whsec")) {
		t.Errorf("it got out:\n%s", s)
	}
}

func TestTextReveals(t *testing.T) {
	t.Parallel()
	if got := Text(whsec).Reveal(); got != whsec {
		t.Errorf("got %q", got)
	}
}

// The database has the same function; both must know this value:
// printf 'whsec_only_for_tests' | sha256sum
func TestFingerprint(t *testing.T) {
	t.Parallel()
	if got, want := Fingerprint(whsec), "de0e8b12f40315b3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Fingerprint("é"), "4a99557e4033c353"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

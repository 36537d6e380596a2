package queue

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// asJSON is what readPayload has to agree with.
func asJSON(t rapid.TB, body []byte) {
	t.Helper()
	var want payload
	wantErr := json.Unmarshal(body, &want)
	got, err := readPayload(body)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, and JSON says %v", body, err, wantErr)
	}
	if diff := cmp.Diff(want, got); wantErr == nil && diff != "" {
		t.Fatalf("%q (-JSON +read)\n%s", body, diff)
	}
}

// A task's payload is read as JSON, whatever is in it: what this version writes,
// what an older or a newer one does, and what is no payload.
func TestPayloadIsReadAsJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"id":""}`, `{"id":"a"}`, `{"id":"a"`, `{"id":"a"}}`, `{"id":"a"} `, `{"id":"a",}`,
		`{"id":"a","occurredAt":1}`, `{"id":"a","occurredAt":null}`, `{"id":"a","occurredAt":}`, `{"id":"a","occurredAt":01}`,
		`{"id":"a","occurredAt":0}`, `{"id":"a","occurredAt":-1}`, `{"id":"a","occurredAt":1.5}`, `{"id":"a","occurredAt":1e3}`,
		`{"id":"a","occurredAt":99999999999999999999}`, `{"id":"a","occurredAt":1,"trace":"b"}`, `{"id":"a","trace":"b"}`,
		`{"id":"a","trace":"b","occurredAt":1}`, `{"id":"a","trace":"b","trace":"c"}`, `{"id":"a","id":"b"}`, `{"ID":"a"}`,
		`{"id":"a\u0062"}`, `{"id":"a\"}`, "{\"id\":\"a\x00\"}", "{\"id\":\"\xff\"}", `{"id":"é"}`, `{"id": "a"}`, `{"id":"a","more":{}}`,
		"{\"id\":\"a\x7f\"}",
	} {
		asJSON(t, []byte(body))
	}
	rapid.Check(t, func(t *rapid.T) {
		p := payload{ID: rapid.String().Draw(t, "id"), Trace: rapid.String().Draw(t, "trace")}
		if rapid.Bool().Draw(t, "timed") {
			at := rapid.Int64().Draw(t, "at")
			p.OccurredAt = &at
		}
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		asJSON(t, body)
		at := rapid.IntRange(0, len(body)-1).Draw(t, "changed")
		body[at] = rapid.Byte().Draw(t, "to")
		asJSON(t, body)
	})
}

// What Enqueue writes must not need the reader that it is there to spare.
func TestOrdinaryPayloadIsPlain(t *testing.T) {
	t.Parallel()
	at := int64(1_767_225_600)
	want := payload{"0198c5d2-7a10-7c3e-8f4b-2d9b6c1e5a77", &at, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := readPlain(body)
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

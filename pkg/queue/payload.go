package queue

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// payload is a task's content: a reference and no more, so that what Redis
// holds is small and never out of date.
//
// Workers of several versions meet while one is being deployed. A reader takes
// no offence at fields that it doesn't know, and does without all but the id;
// a change that an older worker must not miss is a new task type, which it
// leaves to newer ones.
type payload struct {
	ID         string `json:"id"`
	OccurredAt *int64 `json:"occurredAt,omitempty"` // unix seconds, names the event's partition
	Trace      string `json:"trace,omitempty"`      // the trace that the work belongs to
}

// A timestamp of Postgres is from -4713-11-24 to the end of the year 294276, in unix
// seconds.
const (
	earliest = -210_866_803_200
	latest   = 9_224_318_015_999
)

// sound reports whether an event may be called so and stored at that time. Any
// other payload was not written by us, or has been damaged since: the database
// would refuse each question about it, at every attempt and to no end.
func (p payload) sound() bool {
	return p.ID != "" && !strings.Contains(p.ID, "\x00") && (p.OccurredAt == nil || earliest <= *p.OccurredAt && *p.OccurredAt <= latest)
}

// readPayload reads what json.Unmarshal would. For what Enqueue writes it needs
// less of the stack: asynq starts a goroutine for each task, and to copy its
// small stack into a larger one costs more than to read the task.
func readPayload(body []byte) (p payload, err error) {
	if p, ok := readPlain(body); ok {
		return p, nil
	}
	err = json.Unmarshal(body, &p)
	return p, err
}

// readPlain reads what Enqueue writes, and refuses whatever looks different.
func readPlain(body []byte) (p payload, ok bool) {
	if p.ID, body, ok = readQuoted(body, `{"id":"`); !ok {
		return payload{}, false
	}
	if rest, there := bytes.CutPrefix(body, []byte(`,"occurredAt":`)); there {
		digits := len(rest) - len(bytes.TrimLeft(rest, "0123456789"))
		at, err := strconv.ParseInt(string(rest[:digits]), 10, 64)
		if err != nil || rest[0] == '0' {
			return payload{}, false
		}
		p.OccurredAt, body = &at, rest[digits:]
	}
	if trace, rest, there := readQuoted(body, `,"trace":"`); there {
		p.Trace, body = trace, rest
	}
	if string(body) != "}" {
		return payload{}, false
	}
	return p, true
}

// readQuoted reads a string of printable ASCII that needs no escapes.
func readQuoted(body []byte, before string) (value string, rest []byte, ok bool) {
	body, ok = bytes.CutPrefix(body, []byte(before))
	if !ok {
		return "", nil, false
	}
	for i, c := range body {
		switch {
		case c == '"':
			return string(body[:i]), body[i+1:], true
		case c < ' ' || c > '~' || c == '\\':
			return "", nil, false
		}
	}
	return "", nil, false
}

package stripe

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tillhook/pkg/event"
)

// This file is a second reading of the rules of Scan, slow and by way of
// encoding/json's tokens (which keep duplicate keys), for the tests to compare
// with.

// pair is one member of an object; an object is a []pair.
type pair struct {
	key   string
	value any
}

// tree reads a valid JSON text, and how deep it nests.
func tree(d *json.Decoder) (value any, depth int) {
	token, err := d.Token()
	if err != nil {
		panic(err) // only called on valid JSON
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, 0
	}
	object := []pair{}
	for d.More() {
		var p pair
		if delim == '{' {
			key, _ := d.Token()
			p.key = key.(string)
		}
		v, below := tree(d)
		p.value = v
		depth = max(depth, below)
		object = append(object, p)
	}
	_, _ = d.Token()
	if delim == '[' {
		return true, depth + 1 // what is in an array is of no interest
	}
	return object, depth + 1
}

// reading is what the oracle has found; faults are in no particular order.
type reading struct {
	envelope event.Envelope
	faults   []error
}

func (r *reading) fault(err error) { r.faults = append(r.faults, err) }

// pick is the value of one of the names that are read at this level.
func (r *reading) pick(level any, name string, caseMatters bool) any {
	object, _ := level.([]pair)
	var value any
	seen := 0
	for _, p := range object {
		if p.key == name {
			value = p.value
		}
		if p.key == name || !caseMatters && strings.EqualFold(p.key, name) {
			seen++
			if p.key != name || seen > 1 {
				r.fault(ErrAmbiguous)
			}
		}
	}
	return value
}

func usableByOracle(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok && s != "" && len(s) <= event.MaxIDLength && !strings.ContainsFunc(s, unicode.IsControl)
}

func (r *reading) stored(level any, name string, required bool) string {
	v := r.pick(level, name, false)
	if v == nil && !required {
		return ""
	}
	s, ok := usableByOracle(v)
	if !ok {
		r.fault(errField)
	}
	return s
}

func (r *reading) hint(level any, name string, caseMatters bool) string {
	v := r.pick(level, name, caseMatters)
	if expanded, ok := v.([]pair); ok && slices.Contains([]string{"payment_intent", "charge", "latest_charge"}, name) {
		v = r.pick(expanded, "id", false)
	}
	s, ok := usableByOracle(v)
	if !ok {
		return ""
	}
	return s
}

var plainInteger = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

func (r *reading) created(top any) time.Time {
	var t time.Time
	switch v := r.pick(top, "created", false).(type) {
	case json.Number:
		if plainInteger.MatchString(v.String()) {
			seconds, _ := strconv.Atoi(v.String())
			t = time.Unix(int64(seconds), 0).UTC()
		}
	case string:
		if r.envelope.Thin {
			t, _ = time.Parse(time.RFC3339, v)
			t = t.UTC().Truncate(time.Microsecond)
		}
	}
	if t.Before(time.Unix(0, 0)) || t.Year() > 9999 {
		r.fault(errField)
	}
	return t
}

// expect says what Scan must say of body: the envelope, or one of the faults.
func expect(body []byte) reading {
	var r reading
	if !json.Valid(body) {
		return reading{faults: []error{errSyntax, errEncoding, errDepth, ErrAmbiguous}}
	}
	if !utf8.Valid(body) {
		r.fault(errEncoding)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	top, depth := tree(d)
	if depth > MaxDepth {
		r.fault(errDepth)
	}
	if _, ok := top.([]pair); !ok {
		r.fault(errSyntax)
		return r
	}
	e := &r.envelope
	object, _ := r.pick(top, "object", false).(string)
	e.Thin = object == thinObject
	e.ID = r.stored(top, "id", true)
	e.Type = r.stored(top, "type", true)
	e.APIVersion = r.stored(top, "api_version", false)
	e.Account = r.stored(top, "account", false)
	e.Created = r.created(top)
	switch v := r.pick(top, "livemode", false).(type) {
	case bool:
		e.Livemode = v
	case nil:
	default:
		r.fault(errField)
	}

	inner := r.pick(r.pick(top, "data", false), "object", false)
	var objects []string
	for _, name := range []string{"id", "payment_intent", "charge", "latest_charge"} {
		if id := r.hint(inner, name, false); id != "" {
			objects = append(objects, id)
		}
	}
	metadata := r.pick(inner, "metadata", false)
	reference := r.hint(inner, "client_reference_id", false)
	hints := event.Hints{
		RestaurantID: r.hint(metadata, "restaurantId", true),
		OrderID:      r.hint(metadata, "orderId", true),
		Objects:      objects,
	}
	if hints.OrderID == "" {
		hints.OrderID = reference
	}
	related := r.hint(r.pick(top, "related_object", false), "id", false)
	if e.Thin {
		hints = event.Hints{}
		if related != "" {
			hints.Objects = []string{related}
		}
	}
	e.Hints = hints
	return r
}

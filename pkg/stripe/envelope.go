package stripe

import (
	"fmt"
	"strconv"
	"time"

	"tillhook/pkg/event"
)

// thinObject is the "object" of Stripe's v2 events ("Thin events"): an id, a
// type and a time as text; what happened is to be fetched.
const thinObject = "v2.core.event"

// maxCreated is the last second of the year 9999, where RFC 3339 and most
// databases' patience end.
const maxCreated = 253402300799

// envelope judges the values that the walk has found.
func (f *found) envelope() (event.Envelope, error) {
	e := event.Envelope{Thin: f.object.kind == '"' && string(f.object.text) == thinObject}
	var err error
	if e.ID, err = f.id.required("id"); err != nil {
		return event.Envelope{}, err
	}
	if e.Type, err = f.eventType.required("type"); err != nil {
		return event.Envelope{}, err
	}
	if e.APIVersion, err = f.version.optional("api_version"); err != nil {
		return event.Envelope{}, err
	}
	if e.Account, err = f.account.optional("account"); err != nil {
		return event.Envelope{}, err
	}
	if e.Created, err = f.created.moment(e.Thin); err != nil {
		return event.Envelope{}, err
	}
	switch f.livemode.kind {
	case 't':
		e.Livemode = true
	case 'f', 'n', 0:
	default:
		return event.Envelope{}, fmt.Errorf("%w: livemode", errField)
	}
	e.Hints = f.hints(e.Thin)
	return e, nil
}

// hints drops whatever can't be a key into our tables: it leads nowhere, and
// that is no reason to refuse the event.
func (f *found) hints(thin bool) event.Hints {
	var h event.Hints
	if thin {
		if usableID(f.relatedID) {
			h.Objects = []string{string(f.relatedID)}
		}
		return h
	}
	if usableID(f.restaurantID) {
		h.RestaurantID = string(f.restaurantID)
	}
	if usableID(f.orderID) {
		h.OrderID = string(f.orderID)
	} else if usableID(f.reference) {
		h.OrderID = string(f.reference)
	}
	ids := [...][]byte{f.objectID, f.intent, f.charge, f.latestCharge}
	n := 0
	for _, id := range ids {
		if usableID(id) {
			ids[n] = id
			n++
		}
	}
	if n > 0 {
		h.Objects = make([]string, n)
		for i, id := range ids[:n] {
			h.Objects[i] = string(id)
		}
	}
	return h
}

func (v scalar) absent() bool { return v.kind == 0 || v.kind == 'n' }

// required is a string that is stored and indexed, so that it must be usable.
func (v scalar) required(name string) (string, error) {
	if v.kind != '"' || !usableID(v.text) {
		return "", fmt.Errorf("%w: %s", errField, name)
	}
	return string(v.text), nil
}

// optional is "" when absent. An odd one is refused all the same: an account
// that were dropped would make a Connect event look like the restaurant's own.
func (v scalar) optional(name string) (string, error) {
	if v.absent() {
		return "", nil
	}
	return v.required(name)
}

// moment reads created: seconds since 1970, written as a plain integer, or the
// RFC 3339 text of a thin event.
func (v scalar) moment(thin bool) (time.Time, error) {
	switch {
	case v.kind == '0':
		seconds, err := strconv.ParseUint(string(v.text), 10, 64)
		if err == nil && seconds <= maxCreated {
			return time.Unix(int64(seconds), 0).UTC(), nil
		}
	case v.kind == '"' && thin:
		t, err := time.Parse(time.RFC3339, string(v.text))
		if err == nil && t.Unix() >= 0 && t.Unix() <= maxCreated {
			// What Postgres keeps, so that the row read back has the same time.
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: created", errField)
}

// usableID reports whether id can be one of Stripe's or ours: it must fit an
// index and a text column, and be fit to print. id is valid UTF-8, in which a
// control character is a byte below 0x20, 0x7f, or 0xc2 and one below 0xa0.
func usableID[T string | []byte](id T) bool {
	if len(id) == 0 || len(id) > event.MaxIDLength {
		return false
	}
	for i := range len(id) {
		b := id[i]
		if b < ' ' || b == 0x7f || b == 0xc2 && i+1 < len(id) && id[i+1] < 0xa0 {
			return false
		}
	}
	return true
}

package stripe

import (
	"bytes"
	"errors"
	"fmt"

	"tillhook/pkg/event"
)

// ErrUnparsable is what every error of Scan is. The texts say where, never
// what: the body may be anybody's.
var ErrUnparsable = errors.New("the body is not an event")

// The kinds of ErrUnparsable.
var (
	// ErrAmbiguous says that a field which Scan reads stands there twice, or
	// in another case. Readers disagree on which one counts (encoding/json
	// takes the last, and takes "TYPE" for "type"), and two opinions on whose
	// event it is are one too many. Stripe never sends such a body.
	ErrAmbiguous = fmt.Errorf("%w: a field is there twice", ErrUnparsable)

	errSyntax   = fmt.Errorf("%w: malformed JSON", ErrUnparsable)
	errEncoding = fmt.Errorf("%w: a string is not UTF-8", ErrUnparsable)
	errDepth    = fmt.Errorf("%w: nested too deeply", ErrUnparsable)
	errField    = fmt.Errorf("%w: a field is missing or odd", ErrUnparsable)
)

// scalar is a value as it stands in the body. kind is its first byte, with '0'
// for every number; of objects and arrays nothing but the kind is of use.
type scalar struct {
	kind byte // '"', '0', 't', 'f', 'n', '{' or '['; 0 while absent
	text []byte
}

// found is what the walk has picked up so far, in the body's own bytes.
type found struct {
	seen                                                         field
	id, eventType, version, account, created, livemode, object   scalar
	objectID, intent, charge, latestCharge, reference, relatedID []byte
	restaurantID, orderID                                        []byte
	expandedID                                                   []byte // of the object being read by reference
	expandedSeen                                                 bool
}

// field is one bit for each field that is read, whichever its level: a level
// is entered at most once, because the field that holds it is in here too.
type field uint32

const (
	topID field = 1 << iota
	topType
	topVersion
	topAccount
	topCreated
	topLivemode
	topObject
	topData
	topRelated
	dataObject
	objectID
	objectIntent
	objectCharge
	objectLatestCharge
	objectReference
	objectMetadata
	metaRestaurant
	metaOrder
	relatedID
)

// Scan checks that the whole body is one JSON object and takes from it what
// ingest must know: id, type, api_version, account, created, livemode and the
// hints on whose event it is. id, type and created must be there; null is as
// good as absent everywhere. A hint that can't be an id of ours (too long,
// empty, not a string, control characters) is dropped. Every error is
// ErrUnparsable. No data, or data of another shape, is no error: there are no
// hints then.
func Scan(body []byte) (event.Envelope, error) {
	s := scanner{data: body}
	s.space()
	if s.peek() != '{' {
		return event.Envelope{}, fmt.Errorf("%w: no JSON object at its start", errSyntax)
	}
	err := s.object(topMember)
	if err == nil {
		if s.space(); s.pos < len(s.data) {
			err = errSyntax
		}
	}
	if err != nil {
		return event.Envelope{}, fmt.Errorf("%w (near byte %d of %d)", err, s.pos, len(body))
	}
	return s.found.envelope()
}

var (
	topNames     = names("id", "type", "api_version", "account", "created", "livemode", "object", "data", "related_object")
	objectNames  = names("id", "payment_intent", "charge", "latest_charge", "client_reference_id", "metadata")
	dataNames    = names("object")
	idNames      = names("id")
	noOtherNames = names()
)

func names(s ...string) [][]byte {
	all := make([][]byte, len(s))
	for i := range s {
		all[i] = []byte(s[i])
	}
	return all
}

func topMember(s *scanner, key []byte) error {
	f := &s.found
	switch string(key) {
	case "id":
		return s.scalar(topID, &f.id)
	case "type":
		return s.scalar(topType, &f.eventType)
	case "api_version":
		return s.scalar(topVersion, &f.version)
	case "account":
		return s.scalar(topAccount, &f.account)
	case "created":
		return s.scalar(topCreated, &f.created)
	case "livemode":
		return s.scalar(topLivemode, &f.livemode)
	case "object":
		return s.scalar(topObject, &f.object)
	case "data":
		return s.level(topData, dataMember)
	case "related_object":
		return s.level(topRelated, relatedMember)
	}
	return s.other(key, topNames)
}

func dataMember(s *scanner, key []byte) error {
	if string(key) == "object" {
		return s.level(dataObject, objectMember)
	}
	return s.other(key, dataNames)
}

func objectMember(s *scanner, key []byte) error {
	f := &s.found
	switch string(key) {
	case "id":
		return s.text(objectID, &f.objectID)
	case "payment_intent":
		return s.reference(objectIntent, &f.intent)
	case "charge":
		return s.reference(objectCharge, &f.charge)
	case "latest_charge":
		return s.reference(objectLatestCharge, &f.latestCharge)
	case "client_reference_id":
		return s.text(objectReference, &f.reference)
	case "metadata":
		return s.level(objectMetadata, metadataMember)
	}
	return s.other(key, objectNames)
}

// metadataMember compares names exactly, as the worker does: they are the
// merchant's own, and "orderid" next to "orderId" is a right of theirs.
func metadataMember(s *scanner, key []byte) error {
	switch string(key) {
	case "restaurantId":
		return s.text(metaRestaurant, &s.found.restaurantID)
	case "orderId":
		return s.text(metaOrder, &s.found.orderID)
	}
	return s.other(key, noOtherNames)
}

func relatedMember(s *scanner, key []byte) error {
	if string(key) == "id" {
		return s.text(relatedID, &s.found.relatedID)
	}
	return s.other(key, idNames)
}

func expandedMember(s *scanner, key []byte) error {
	if string(key) != "id" {
		return s.other(key, idNames)
	}
	if s.found.expandedSeen {
		return ErrAmbiguous
	}
	s.found.expandedSeen = true
	v, err := s.value()
	if v.kind == '"' {
		s.found.expandedID = v.text
	}
	return err
}

// once refuses the second sight of a field.
func (s *scanner) once(f field) error {
	if s.found.seen&f != 0 {
		return ErrAmbiguous
	}
	s.found.seen |= f
	return nil
}

// other skips a member that is not read, unless encoding/json would take its
// name for one that is. A name may be longer than the one it is taken for:
// U+017F, the long s, has two bytes and folds to s.
func (s *scanner) other(key []byte, read [][]byte) error {
	for _, name := range read {
		if len(key) >= len(name) && bytes.EqualFold(key, name) {
			return ErrAmbiguous
		}
	}
	return s.skip()
}

// level enters the object at the position; anything but an object is skipped.
func (s *scanner) level(f field, each member) error {
	if err := s.once(f); err != nil {
		return err
	}
	if s.peek() == '{' {
		return s.object(each)
	}
	return s.skip()
}

func (s *scanner) scalar(f field, into *scalar) error {
	if err := s.once(f); err != nil {
		return err
	}
	v, err := s.value()
	*into = v
	return err
}

// text keeps a string and drops a value of any other kind.
func (s *scanner) text(f field, into *[]byte) error {
	var v scalar
	err := s.scalar(f, &v)
	if v.kind == '"' {
		*into = v.text
	}
	return err
}

// reference reads an id, or the id of the object that stands in its place:
// Stripe calls that expanding.
func (s *scanner) reference(f field, into *[]byte) error {
	if s.peek() != '{' {
		return s.text(f, into)
	}
	s.found.expandedID, s.found.expandedSeen = nil, false
	err := s.level(f, expandedMember)
	*into = s.found.expandedID
	return err
}

// value reads one value; of objects and arrays only the kind is kept.
func (s *scanner) value() (scalar, error) {
	start := s.pos
	kind := s.peek()
	if kind == '"' {
		raw, escaped, err := s.str()
		if escaped {
			raw = unescape(raw)
		}
		return scalar{kind, raw}, err
	}
	if kind == '-' || '0' <= kind && kind <= '9' {
		kind = '0'
	}
	err := s.skip()
	return scalar{kind, s.data[start:s.pos]}, err
}

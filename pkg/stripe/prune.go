package stripe

import (
	"bytes"
	"reflect"
	"strings"
)

// pruner leaves of a body what a reader has fields for: encoding/json takes as
// long for a member that nobody wants as for one that is read, and of a hundred
// of them ten are.
type pruner struct {
	object [][]byte // names of the members of data.object that are kept
}

// bodyNames are those of body.
var bodyNames = names("object", "account")

// newPruner keeps the fields of T, a struct.
func newPruner[T any]() pruner {
	t := reflect.TypeFor[T]()
	var p pruner
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		p.object = append(p.object, []byte(name))
	}
	return p
}

// prune is the body without what isn't read. A body that is no JSON stays as it
// is: whoever decodes it says so.
func (p pruner) prune(payload []byte) []byte {
	s := scanner{data: payload}
	if s.space(); s.peek() != '{' {
		return payload
	}
	out := append(make([]byte, 0, 1024), '{')
	keep := func(kept [][]byte) member {
		return func(s *scanner, key []byte) error { return s.copyMember(&out, key, kept) }
	}
	object := func(s *scanner, key []byte) error {
		return s.copyLevel(&out, key, "object", keep(p.object))
	}
	err := s.object(func(s *scanner, key []byte) error {
		if wants(bodyNames, key) {
			return s.copyMember(&out, key, bodyNames)
		}
		return s.copyLevel(&out, key, "data", object)
	})
	if s.space(); err != nil || s.pos < len(s.data) {
		return payload
	}
	return append(out, '}')
}

// copyMember copies the member at whose value the scanner is, if it is kept.
func (s *scanner) copyMember(out *[]byte, key []byte, kept [][]byte) error {
	start := s.pos
	if err := s.skip(); err != nil || !wants(kept, key) {
		return err
	}
	*out = append(appendKey(*out, key), s.data[start:s.pos]...)
	return nil
}

// copyLevel copies what each keeps of the object of that name.
func (s *scanner) copyLevel(out *[]byte, key []byte, name string, each member) error {
	if !wants([][]byte{[]byte(name)}, key) {
		return s.skip()
	}
	if s.peek() != '{' {
		return s.copyMember(out, key, [][]byte{key})
	}
	*out = append(appendKey(*out, key), '{')
	err := s.object(each)
	*out = append(*out, '}')
	return err
}

// appendKey begins a member, after a comma if it isn't its object's first.
func appendKey(out, key []byte) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	out = append(append(out, '"'), key...)
	return append(out, '"', ':')
}

// wants reports whether encoding/json would take key for one of the names.
func wants(names [][]byte, key []byte) bool {
	for _, name := range names {
		if len(key) >= len(name) && bytes.EqualFold(key, name) {
			return true
		}
	}
	return false
}

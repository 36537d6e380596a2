package stripe

// MaxDepth bounds how deep objects and arrays may nest in a body. Stripe's own
// go to about ten, and expansion adds at most four levels; the bound keeps a
// hostile body from using our stack.
const MaxDepth = 64

// scanner walks once over a JSON text (RFC 8259) and checks all of it. The
// methods in this file and strings.go know the grammar, those in scan.go what is
// wanted.
type scanner struct {
	data  []byte
	pos   int
	depth int
	found found
}

// member is called at the value of each member of an object; it must consume
// the value. The key is without quotes and escapes, and valid until return.
type member func(s *scanner, key []byte) error

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the byte at the position, 0 at the end; no JSON text has a zero byte
// outside the places where this would be an error as well.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// skip checks one value of any kind and forgets it.
func (s *scanner) skip() error {
	switch b := s.peek(); {
	case b == '"':
		_, _, err := s.str()
		return err
	case b == '{':
		return s.object(nil)
	case b == '[':
		return s.array()
	case b == 't':
		return s.word("true")
	case b == 'f':
		return s.word("false")
	case b == 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// object walks over an object and calls each at every member, or skips them
// all if each is nil.
func (s *scanner) object(each member) error {
	if err := s.enter(); err != nil {
		return err
	}
	s.space()
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		if s.peek() != '"' {
			return errSyntax
		}
		raw, escaped, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return errSyntax
		}
		s.pos++
		s.space()
		if each == nil {
			err = s.skip()
		} else {
			if escaped {
				raw = unescape(raw)
			}
			err = each(s, raw)
		}
		if err != nil {
			return err
		}
		if more, err := s.next('}'); !more {
			return err
		}
	}
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	s.space()
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for {
		if err := s.skip(); err != nil {
			return err
		}
		if more, err := s.next(']'); !more {
			return err
		}
	}
}

func (s *scanner) enter() error {
	s.pos++
	if s.depth++; s.depth > MaxDepth {
		return errDepth
	}
	return nil
}

func (s *scanner) leave() {
	s.pos++
	s.depth--
}

// next steps over the comma to the next element, or over the closing bracket.
func (s *scanner) next(closing byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		s.space()
		return true, nil
	case closing:
		s.leave()
		return false, nil
	}
	return false, errSyntax
}

func (s *scanner) word(w string) error {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return errSyntax
	}
	s.pos += len(w)
	return nil
}

// number is [-] int [frac] [exp]; int has no leading zero.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errSyntax
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return errSyntax
		}
	}
	if b := s.peek(); b == 'e' || b == 'E' {
		s.pos++
		if b := s.peek(); b == '+' || b == '-' {
			s.pos++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

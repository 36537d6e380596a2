package stripe

import (
	"unicode/utf16"
	"unicode/utf8"
)

// plain marks the bytes that stand for themselves inside a string: printable
// ASCII but the quote and the backslash.
var plain = func() (table [256]bool) {
	for b := ' '; b < utf8.RuneSelf; b++ {
		table[b] = b != '"' && b != '\\'
	}
	return table
}()

// str checks a string and is what stands between its quotes. Bytes that are no
// UTF-8 are an error: Postgres would refuse them later, and encoding/json
// would quietly make another string of them.
func (s *scanner) str() (raw []byte, escaped bool, err error) {
	data, i := s.data, s.pos+1
	start := i
	for {
		for i < len(data) && plain[data[i]] {
			i++
		}
		switch {
		case i == len(data) || data[i] < ' ':
			s.pos = i
			return nil, false, errSyntax
		case data[i] == '"':
			s.pos = i + 1
			return data[start:i], escaped, nil
		case data[i] == '\\':
			n := escape(data[i:])
			if n == 0 {
				s.pos = i
				return nil, false, errSyntax
			}
			escaped, i = true, i+n
		default:
			_, n := utf8.DecodeRune(data[i:])
			if n == 1 && data[i] >= utf8.RuneSelf {
				s.pos = i
				return nil, false, errEncoding
			}
			i += n
		}
	}
}

// escape is the length of the escape that b starts with, 0 if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the code unit of a \uXXXX at the start of b.
func hex4(b []byte) (unit rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

var shortEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape decodes what str found valid. Half a surrogate pair becomes U+FFFD,
// which is what encoding/json makes of it in the worker.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		unit, ok := hex4(raw[i:])
		if !ok {
			out = append(out, shortEscapes[raw[i+1]])
			i += 2
			continue
		}
		i += 6
		if utf16.IsSurrogate(unit) {
			low, _ := hex4(raw[i:])
			if unit = utf16.DecodeRune(unit, low); unit != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, unit)
	}
	return out
}

package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

const (
	// MaxBody bounds a delivery, in bytes. Stripe publishes no maximum; event
	// bodies are some kilobytes, a hundred with long embedded lists.
	MaxBody = 1 << 20

	// trustedLength is how much memory a sender gets on its word alone, in
	// bytes; more only as it really sends it.
	trustedLength = 16 << 10

	// longBodies is how many bytes of bodies that are longer may be in memory
	// before anybody knows whether they are signed: everyone may send them, and as
	// slowly as they like.
	longBodies = 64 << 20
)

// errCrowded is of a body for which there is no room.
var errCrowded = errors.New("too many long bodies are being received")

// longBody is how many of the longBodies a request's body takes: none if it is
// short or too long to be read, the most that one may have if it doesn't say.
func longBody(req *http.Request) int64 {
	switch n := req.ContentLength; {
	case n < 0:
		return MaxBody
	case n <= trustedLength, n > MaxBody:
		return 0
	default:
		return n
	}
}

// readBody reads the exact bytes. It never inflates: what is signed is what
// was sent.
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	if req.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	limited := http.MaxBytesReader(w, req.Body, MaxBody)
	if 0 < req.ContentLength && req.ContentLength <= trustedLength {
		body := make([]byte, req.ContentLength)
		_, err := io.ReadFull(limited, body)
		return body, err
	}
	body := bytes.NewBuffer(make([]byte, 0, trustedLength))
	_, err := body.ReadFrom(limited)
	return body.Bytes(), err
}

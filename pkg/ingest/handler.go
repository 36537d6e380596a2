// Package ingest receives Stripe's deliveries. Its promise: a 200 means that
// the exact bytes are committed; whatever fails before that is answered so
// that Stripe delivers again. handler.go is the way of one delivery.
package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

const (
	// MaxBody bounds a delivery, in bytes. Stripe publishes no maximum; event
	// bodies are some kilobytes, a hundred with long embedded lists.
	MaxBody = 1 << 20

	// answerTimeout is how long a delivery may wait for its commit: Stripe is
	// better served by a 503 and another delivery than by silence.
	answerTimeout = 2 * time.Second
)

// Signature is a parsed Stripe-Signature header.
type Signature interface {
	// CheckTime refuses a time too far from now, before or after.
	CheckTime(now time.Time) error
	// Match reports whether the secret signed the body, in constant time.
	Match(secret string, body []byte) bool
}

// Format reads what Stripe sends.
type Format struct {
	ParseSignature func(header string) (Signature, error)
	Scan           func(body []byte) (event.Envelope, error)
}

// handler is the webhook endpoint.
type handler struct {
	format    Format
	directory *Directory
	resolver  *resolver
	writer    *writer
	failures  *failures
	metrics   *telemetry.Metrics
	log       *slog.Logger
	now       func() time.Time
}

// verdict is what a delivery turned out to be, before anything is stored.
type verdict struct {
	env    event.Envelope
	tenant *tenant
	status event.Status // Processing once a secret has matched
	reason string       // for operators, never for the sender
}

var errNotReady = errors.New("the configurations have not been read yet")

// receive answers one delivery: it verifies, has the row committed, and says
// so. The task is queued afterwards, by the writer.
func (h *handler) receive(c echo.Context) error {
	req := c.Request()
	started := h.now()
	body, err := readBody(c.Response(), req)
	if err != nil {
		return h.unread(c, err)
	}
	ctx, cancel := context.WithTimeout(req.Context(), answerTimeout)
	defer cancel()
	v, err := h.verify(ctx, c.Param("restaurant"), req.Header.Get("Stripe-Signature"), body)
	if err != nil {
		return h.unavailable(c, v, err)
	}
	if v.status != event.Processing {
		return h.refuse(c, v, body)
	}
	record, err := newRecord(v, body)
	if err != nil {
		return h.unavailable(c, v, err)
	}
	stored, err := h.writer.commit(ctx, record)
	if errors.Is(err, event.ErrUnstorable) {
		v.status, v.reason = event.VerificationFailed, err.Error()
		return h.refuse(c, v, body)
	}
	if err != nil {
		return h.unavailable(c, v, err)
	}
	return h.accept(c, v, record, stored, started)
}

// verify finds the secret that signed the body. The restaurant whose secret it
// is bounds everything that follows; what the body says of itself was a hint.
// An error means that we can't tell now.
func (h *handler) verify(ctx context.Context, name, header string, body []byte) (verdict, error) {
	v := verdict{status: event.VerificationFailed}
	known := h.directory.current.Load()
	if known == nil {
		return v, errNotReady
	}
	if name != "" {
		v.tenant = known.named(name)
	}
	signature, err := h.format.ParseSignature(header)
	if err == nil {
		err = signature.CheckTime(h.now())
	}
	if err != nil {
		v.reason = err.Error()
		return v, nil
	}
	if v.env, err = h.format.Scan(body); err != nil {
		v.reason = err.Error()
		return v, nil
	}
	candidates := []*tenant{v.tenant}
	if name == "" {
		if candidates, err = h.resolver.candidates(ctx, known, v.env, len(body)); err != nil {
			return v, err
		}
	}
	return h.match(v, candidates, signature, body), nil
}

// match tries every live secret of every candidate, whichever matches first.
func (h *handler) match(v verdict, candidates []*tenant, signature Signature, body []byte) verdict {
	now, tried := h.now(), 0
	var matched *tenant
	for _, t := range candidates {
		if t == nil {
			continue
		}
		if len(candidates) == 1 {
			v.tenant = t
		}
		for _, value := range t.live(now) {
			tried++
			if signature.Match(value, body) && matched == nil {
				matched = t
			}
		}
	}
	switch {
	case matched != nil:
		v.tenant, v.status = matched, event.Processing
	case tried > 0:
		v.reason = "no secret of the restaurant matches the signature"
	default:
		// As much work as for a restaurant that exists, so that the time of
		// the answer doesn't say which one it was.
		signature.Match("whsec_of_nobody", body)
		v.status, v.reason = event.NoConfig, "no restaurant found for this delivery"
		if v.tenant != nil {
			v.reason = v.tenant.fault
		}
		if v.tenant != nil && v.tenant.sealed {
			v.status = event.VerificationFailed
		}
	}
	return v
}

func newRecord(v verdict, body []byte) (event.Record, error) {
	id, err := uuid.NewV7() // ordered by time: new rows go to one end of the index
	if err != nil {
		return event.Record{}, err
	}
	r := event.Record{
		ID: id.String(), ProviderEventID: v.env.ID, Type: v.env.Type, Status: v.status,
		APIVersion: v.env.APIVersion, Livemode: v.env.Livemode, Payload: body,
		OccurredAt: v.env.Created, LastError: v.reason,
	}
	if v.tenant != nil {
		r.RestaurantID = v.tenant.restaurantID
	}
	return r, nil
}

// readBody reads the exact bytes. It never inflates: what is signed is what
// was sent.
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	if req.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	limited := http.MaxBytesReader(w, req.Body, MaxBody)
	if req.ContentLength > 0 {
		body := make([]byte, req.ContentLength)
		_, err := io.ReadFull(limited, body)
		return body, err
	}
	return io.ReadAll(limited)
}

// address is the sender's, without its port.
func address(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return strings.TrimSpace(req.RemoteAddr)
	}
	return host
}

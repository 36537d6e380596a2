// Package ingest receives Stripe's deliveries. Its promise: a 200 means that
// the exact bytes are committed; whatever fails before that is answered so
// that Stripe delivers again. handler.go is the way of one delivery.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/semaphore"

	"tillhook/pkg/batch"
	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// answerTimeout is how long a delivery may wait for its commit: Stripe is
// better served by a 503 and another delivery than by silence, and has it
// within two seconds.
const answerTimeout = 1800 * time.Millisecond

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
	long      *semaphore.Weighted // room for long bodies, in bytes
	examiner  *examiner
	uses      *batch.Latest[useKey]
	allowed   []netip.Prefix // of STRIPE_IP_ALLOWLIST; none means everyone
	metrics   *telemetry.Metrics
	log       *slog.Logger
	tracer    *telemetry.Tracer
	now       func() time.Time
}

// delivery is one POST on its way through the handler.
type delivery struct {
	name   string // the restaurant in the URL, "" on the bare one
	header string // Stripe-Signature
	body   []byte
	from   string // the sender's address

	env    event.Envelope
	tenant *tenant      // whose it is; only a guess until status is Processing
	status event.Status // Processing once a secret has matched
	signed string       // which of the tenant's secrets that was
	reason string       // for operators, never for the sender
}

var errNotReady = errors.New("the configurations have not been read yet")

// receive answers one delivery: it verifies, has the row committed, and says
// so. The task is queued afterwards, by the writer.
func (h *handler) receive(c echo.Context) error {
	req := c.Request()
	started := h.now()
	d := &delivery{name: c.Param("restaurant"), header: req.Header.Get("Stripe-Signature"), from: c.RealIP()}
	if !h.mayCall(d.from) {
		return h.forbid(c)
	}
	var err error
	room := longBody(req)
	if !h.long.TryAcquire(room) {
		c.Response().Header().Set("Connection", "close") // nothing is read
		return h.unavailable(c, d, errCrowded)
	}
	defer h.long.Release(room)
	if d.body, err = readBody(c.Response(), req); err != nil {
		return h.unread(c, err)
	}
	ctx, cancel := context.WithTimeout(req.Context(), answerTimeout)
	defer cancel()
	ctx, span := h.tracer.Start(ctx, "delivery", "")
	defer func() { span.End(err) }()
	if err = h.timedVerify(ctx, d); err != nil {
		return h.unavailable(c, d, err)
	}
	if d.status != event.Processing {
		return h.refuse(c, d)
	}
	record, err := d.record()
	if err != nil {
		return h.unavailable(c, d, err)
	}
	record.Trace = span.Parent()
	span.Set("event", record.ProviderEventID)
	span.Set("type", record.Type)
	span.Set("restaurant", record.RestaurantID)
	stored, err := h.commit(ctx, record)
	if err != nil {
		return h.unavailable(c, d, err)
	}
	return h.accept(c, d, record, stored, started)
}

// commit waits until the record is committed, and reports whether it is new.
func (h *handler) commit(ctx context.Context, r event.Record) (bool, error) {
	ctx, span := h.tracer.Start(ctx, "commit delivery", "")
	stored, err := h.writer.commit(ctx, r)
	span.End(err)
	return stored, err
}

// timedVerify is verify, measured.
func (h *handler) timedVerify(ctx context.Context, d *delivery) error {
	started := time.Now()
	ctx, span := h.tracer.Start(ctx, "verify", "")
	err := h.verify(ctx, d)
	span.End(err)
	h.metrics.VerifySeconds.Observe(time.Since(started).Seconds())
	return err
}

// verify finds the secret that signed the body. The restaurant whose secret it
// is bounds everything that follows; what the body says of itself was a hint.
// An error means that we can't tell now.
func (h *handler) verify(ctx context.Context, d *delivery) error {
	arrived := time.Now()
	d.status = event.VerificationFailed
	known := h.directory.current.Load()
	if known == nil {
		return errNotReady
	}
	d.tenant = only(known.named(d.name))
	signature, err := h.format.ParseSignature(d.header)
	if err == nil {
		err = signature.CheckTime(h.now())
	}
	if err != nil {
		d.reason = err.Error()
		return nil
	}
	if d.env, err = h.format.Scan(d.body); err != nil {
		d.reason = err.Error()
		return nil
	}
	if err := h.match(ctx, d, known, signature); err != nil || d.status == event.Processing {
		return err
	}
	// The secret may have been stored this moment, faster than its
	// notification: a genuine delivery must not pay for that.
	if err := h.directory.Freshen(ctx, arrived); err != nil {
		return err
	}
	if now := h.directory.current.Load(); now != known {
		return h.match(ctx, d, now, signature)
	}
	return nil
}

// match tries every live secret of every restaurant that d may be for, even after
// one has matched: the time of the answer must not tell which.
func (h *handler) match(ctx context.Context, d *delivery, known *snapshot, signature Signature) error {
	candidates, err := h.candidates(ctx, d, known)
	if err != nil {
		return err
	}
	now, tried := h.now(), 0
	var matched *tenant
	for _, t := range candidates {
		for _, s := range t.live(now) {
			tried++
			if signature.Match(s.value, d.body) && matched == nil {
				matched, d.signed = t, event.SignedCurrent
				if !s.expires.IsZero() {
					d.signed = event.SignedPrevious
				}
				if d.env.Type != event.TestType {
					h.uses.Note(useKey{t.restaurantID, s.fingerprint, t.setAt}, now)
				}
			}
		}
	}
	d.tenant = only(candidates)
	switch {
	case matched != nil:
		d.tenant, d.status, d.reason = matched, event.Processing, ""
	case tried > 0:
		d.status, d.reason = event.VerificationFailed, "no secret of the restaurant matches the signature"
	default:
		// As much work as for a restaurant that exists, so that the time of
		// the answer doesn't say which one it was.
		signature.Match("whsec_of_nobody", d.body)
		d.status, d.reason = event.NoConfig, "no restaurant found for this delivery"
		if d.tenant != nil {
			d.reason = d.tenant.fault
		}
		if d.tenant != nil && d.tenant.locked {
			d.status = event.VerificationFailed // there is a configuration: its secret can't be read
		}
	}
	return nil
}

// candidates are the restaurants that d may be for: those in the URL alone, or
// those that its content leads to.
func (h *handler) candidates(ctx context.Context, d *delivery, known *snapshot) ([]*tenant, error) {
	if d.name == "" {
		return h.resolver.candidates(ctx, known, d.env, len(d.body))
	}
	return known.named(d.name), nil
}

// mayCall checks the optional list of Stripe's addresses, which is never
// instead of the signature.
func (h *handler) mayCall(from string) bool {
	if len(h.allowed) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(from)
	return err == nil && slices.ContainsFunc(h.allowed, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// record is the row that d becomes.
func (d *delivery) record() (event.Record, error) {
	id, err := uuid.NewV7() // ordered by time: new rows go to one end of the index
	if err != nil {
		return event.Record{}, err
	}
	r := event.Record{
		ID: id.String(), ProviderEventID: d.env.ID, Type: d.env.Type, Status: d.status,
		APIVersion: d.env.APIVersion, Livemode: d.env.Livemode, Payload: d.body,
		OccurredAt: d.env.Created, LastError: d.reason, SignedWith: d.signed,
	}
	if d.tenant != nil {
		r.RestaurantID = d.tenant.restaurantID
	}
	if d.status == event.Processing && d.env.Type == event.TestType {
		// We have signed it with what is stored: no proof that Stripe does.
		r.Source, r.SignedWith = event.Test, ""
	}
	return r, nil
}

func (d *delivery) restaurantID() string {
	if d.tenant == nil {
		return ""
	}
	return d.tenant.restaurantID
}

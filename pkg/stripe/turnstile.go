package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"tillhook/pkg/event"
)

const (
	// maxAnswer bounds an answer, in bytes: a page of a hundred events, most of
	// them a few kilobytes.
	maxAnswer = 64 << 20

	// peaceTries is how often one request is made that Stripe answers with 429;
	// stripe-go gives up at the first.
	peaceTries = 4
	firstPeace = time.Second // without a Retry-After, doubled each time
)

// turnstile lets an account's requests through one by one, none faster than
// Stripe likes them, and stripe-go's retries no faster than the rest.
type turnstile struct{ *account }

// RoundTrip makes the request when it is its turn, and again after the time
// that a 429 asks for.
func (t *turnstile) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	for try := 1; ; try++ {
		if err := t.wait(ctx); err != nil {
			return nil, err
		}
		again := req.Clone(ctx)
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			again.Body = body
		}
		resp, err := t.api.wire.RoundTrip(again)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusTooManyRequests {
			resp.Body = bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
			return resp, nil
		}
		t.rest(retryAfter(resp.Header, try))
		if try == peaceTries || t.mayAsk(ctx) != nil {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
		_ = resp.Body.Close()
	}
}

// wait waits for the turn, and sees out Stripe's wish for peace, which may have
// been uttered meanwhile.
func (t *turnstile) wait(ctx context.Context) error {
	for _, limit := range []*rate.Limiter{t.limiter, t.api.overall} {
		if err := limit.Wait(ctx); err != nil {
			return errors.Join(event.ErrTooMany, ctx.Err())
		}
	}
	for left := t.peace(); left > 0; left = t.peace() {
		if err := t.mayAsk(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(left):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// mayAsk refuses at once what would have to wait for too long.
func (acc *account) mayAsk(ctx context.Context) error {
	left := acc.peace()
	deadline, bound := ctx.Deadline()
	if left > acc.api.cfg.MaxWait || left > 0 && bound && time.Now().Add(left).After(deadline) {
		return event.ErrTooMany
	}
	return nil
}

// peace is how long Stripe wants no request from now on.
func (acc *account) peace() time.Duration {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	return time.Until(acc.restUntil)
}

func (acc *account) rest(d time.Duration) {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	if until := time.Now().Add(d); until.After(acc.restUntil) {
		acc.restUntil = until
	}
}

// retryAfter is what the header says in seconds, else a second for the first
// time and twice as long each time after.
func retryAfter(h http.Header, try int) time.Duration {
	if seconds, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil && seconds >= 0 && seconds < 1<<20 {
		return time.Duration(seconds * float64(time.Second))
	}
	return firstPeace << (try - 1)
}

// bounded is the beginning of a body, and its end.
type bounded struct {
	io.Reader
	io.Closer
}

// Package stripetest plays Stripe: it builds events of realistic size and
// shape, signs them, posts them, and knows where whole lifecycles must end.
// It computes signatures by itself, so that a test with it checks the product
// and not the product's opinion of itself.
package stripetest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Sign is the Stripe-Signature header for body under secret, signed at the
// given time ("Verify webhook signatures").
func Sign(secret string, body []byte, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// maxAnswer bounds how much of an answer Post reads, in bytes.
const maxAnswer = 64 << 10

// Post delivers e to url as Stripe does, signed at the given time, and returns
// the answer's status and body. err says only that there was no answer.
func Post(ctx context.Context, client *http.Client, url, secret string, e Event, at time.Time) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Body))
	if err != nil {
		return 0, nil, fmt.Errorf("making the delivery of %s: %w", e.ID, err)
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("Accept", "*/*; q=0.5, application/xml")
	request.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	request.Header.Set("Stripe-Signature", Sign(secret, e.Body, at))
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("delivering %s: %w", e.ID, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer to %s: %w", e.ID, err)
	}
	return response.StatusCode, body, nil
}

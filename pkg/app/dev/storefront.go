package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// storefront is the storefront's API, as a shop's server uses it.
type storefront struct {
	base   string
	client *http.Client
}

func newStorefront(base string) *storefront {
	return &storefront{base: base, client: &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
}

type newOrder struct {
	Currency string    `json:"currency"`
	Lines    []newLine `json:"lines"`
}

type newLine struct {
	Name       string `json:"name"`
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unitAmount"` // minor units
}

type madeOrder struct{ ID, Token string }

// problem is why the API refuses something.
type problem struct {
	Status        int
	Title, Detail string
}

func (p *problem) Error() string { return fmt.Sprintf("HTTP %d %s: %s", p.Status, p.Title, p.Detail) }

// order creates an order; once is its idempotency key.
func (s *storefront) order(ctx context.Context, key, once string, o newOrder) (made madeOrder, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return made, fmt.Errorf("writing the order: %w", err)
	}
	_, err = s.call(ctx, http.MethodPost, "", key, body, &made, "Content-Type", "application/json", "Idempotency-Key", once)
	return made, err
}

// checkout answers where the order can be paid. The credential is the shop's
// key or the order's token.
func (s *storefront) checkout(ctx context.Context, orderID, credential string) (string, error) {
	var session struct{ URL string }
	_, err := s.call(ctx, http.MethodPost, "/"+url.PathEscape(orderID)+"/checkout", credential, nil, &session)
	return session.URL, err
}

// await waits until the order is in this state.
func (s *storefront) await(ctx context.Context, orderID, token, status string) error {
	for tag := ""; ; {
		var now struct {
			Status string
			Final  bool
		}
		header, err := s.call(ctx, http.MethodGet, "/"+url.PathEscape(orderID)+"?wait=25s", token, nil, &now, "If-None-Match", tag)
		switch {
		case err != nil:
			return err
		case now.Status == status:
			return nil
		case now.Final:
			return fmt.Errorf("order %s is %s, want %s", orderID, now.Status, status)
		}
		tag = header.Get("ETag")
	}
}

// call sends a request and reads its answer. One that says nothing new leaves
// into as it is.
func (s *storefront) call(ctx context.Context, method, path, credential string, body []byte, into any, header ...string) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+"/api/v1/orders"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the storefront API: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the storefront API: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the storefront API's answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		p := &problem{Status: resp.StatusCode}
		_ = json.Unmarshal(text, p) // else the status has to do
		return nil, p
	}
	if resp.StatusCode == http.StatusNotModified {
		return resp.Header, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fmt.Errorf("reading the storefront API's answer: %w", err)
	}
	return resp.Header, nil
}

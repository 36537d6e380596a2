package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

const (
	webhooks = "/api/v1/webhooks/stripe/"

	testAnswer = 5 * time.Second // until the endpoint has answered
	testWorked = 8 * time.Second // until the workers are done with it
	testLook   = 50 * time.Millisecond
)

// testClient follows no redirects, as Stripe doesn't.
var testClient = &http.Client{
	Timeout:       testAnswer,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// testRun is the way of one test event, hop by hop.
type testRun struct {
	EventID string // ours, once it is stored
	Hops    []hop
}

// hop is one station of it.
type hop struct {
	Name, Says string
	OK         bool
	After      time.Duration // since it was sent
}

// sendTest sends an event that is signed with the stored secret to the real
// endpoint, and looks how far it gets.
func (s *Server) sendTest(c echo.Context) error {
	ctx := c.Request().Context()
	r, err := s.Settings.Restaurant(ctx, c.Param("restaurant"))
	if err != nil {
		return err
	}
	signed, err := s.Signer.TestEvent(ctx, r.ID)
	var refusal Refusal
	if errors.As(err, &refusal) {
		return s.showRestaurant(c, http.StatusUnprocessableEntity, restaurantView{Fault: refusal.Error()})
	}
	if err != nil {
		return err
	}
	if err := s.Audit.Record(ctx, signedIn(c).Email, "panel: send a test event", r.ID, r.ConfigID, signed.ID); err != nil {
		return err
	}
	run, err := s.test(ctx, signed)
	if err != nil {
		return err
	}
	return s.showRestaurant(c, http.StatusOK, restaurantView{Test: run})
}

// test follows an event until it is worked off or the time for it is over. What
// goes wrong on its way is the last hop; an error means that nobody can tell.
func (s *Server) test(ctx context.Context, signed Signed) (*testRun, error) {
	run := &testRun{}
	started := time.Now()
	add := func(ok bool, name, format string, args ...any) {
		run.Hops = append(run.Hops, hop{name, fmt.Sprintf(format, args...), ok, time.Since(started)})
	}
	add(true, "Sent", "%d bytes, as %s", len(signed.Body), signed.ID)
	status, answer, err := s.post(ctx, signed)
	if err != nil {
		add(false, "Answered", "%v", err)
		return run, nil
	}
	add(status == http.StatusOK, "Answered", "%d %s", status, answer)
	if status != http.StatusOK {
		return run, nil
	}
	ctx, cancel := context.WithTimeout(ctx, testWorked)
	defer cancel()
	tick := time.NewTicker(testLook)
	defer tick.Stop()
	var fault error // of the last look, which may be all that is wrong
	for {
		e, err := s.Events.Event(ctx, signed.ID)
		if ctx.Err() == nil { // else the look was cut short
			fault = err
		}
		if err == nil && run.EventID == "" {
			run.EventID = e.ID
			add(true, "Stored", "verified by the secret that is stored")
		}
		if err == nil && e.Status != string(event.Processing) {
			add(e.Status == string(event.Completed), "Worked off", "%s %s %s", e.Status, e.Outcome, e.LastError)
			return run, nil
		}
		select {
		case <-ctx.Done():
			switch {
			case fault != nil && !errors.Is(fault, ErrNotFound):
				return nil, fmt.Errorf("looking for the test event: %w", fault)
			case run.EventID == "":
				add(false, "Stored", "not within %s, although the endpoint has said so", testWorked)
			default:
				add(false, "Worked off", "not within %s: is a worker running?", testWorked)
			}
			return run, nil
		case <-tick.C:
		}
	}
}

// post delivers as Stripe does.
func (s *Server) post(ctx context.Context, signed Signed) (status int, answer string, err error) {
	target := strings.TrimRight(s.IngestURL, "/") + webhooks + url.PathEscape(signed.Slug)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(signed.Body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "tillhook test event")
	req.Header.Set("Stripe-Signature", signed.Signature)
	resp, err := testClient.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("reaching the endpoint that INGEST_URL names: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

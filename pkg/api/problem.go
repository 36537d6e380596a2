package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// problem is an error as RFC 9457 has it. Why it came to it is for the log, and
// never for the client.
type problem struct {
	Type     string  `json:"type"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail"`
	Instance string  `json:"instance"` // the request's id, which is in the log
	Errors   []fault `json:"errors,omitempty"`

	cause      error
	retryAfter time.Duration
}

// fault is one thing that is wrong with a request.
type fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Title }

func (p *problem) Unwrap() error { return p.cause }

// because keeps for the log why.
func (p *problem) because(err error) *problem { p.cause = err; return p }

// after says when another try may fare better.
func (p *problem) after(d time.Duration) *problem { p.retryAfter = d; return p }

const (
	problemTypes = "urn:tillhook:problem:"

	// soon is for what is over in seconds, later for what somebody has to mend.
	soon  = 2 * time.Second
	later = time.Minute
)

func newProblem(status int, kind, title, detail string) *problem {
	return &problem{Type: problemTypes + kind, Title: title, Status: status, Detail: detail}
}

// notFound is the same for an order that isn't there and for a token that isn't
// the order's: nobody learns which orders there are.
func notFound() *problem {
	return newProblem(http.StatusNotFound, "order-not-found", "No such order", "There is no order of this id for this token or key.")
}

func unauthorized() *problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", "Not authorized", "Authorization: Bearer must hold an API key of the restaurant that counts.")
}

func unavailable(err error) *problem {
	return newProblem(http.StatusServiceUnavailable, "unavailable", "Temporarily unavailable", "Please try again.").because(err).after(soon)
}

func tooMany(detail string, wait time.Duration) *problem {
	return newProblem(http.StatusTooManyRequests, "too-many-requests", "Too many requests", detail).after(wait)
}

func invalid(faults ...fault) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "invalid", "The request is not valid", "See errors for what is wrong with it.")
	p.Errors = faults
	return p
}

// malformed is what can't even be read.
func malformed(detail string) *problem {
	return newProblem(http.StatusBadRequest, "malformed", "The request can't be read", detail)
}

// asProblem gives errors of the router and panics the same form.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	status := http.StatusInternalServerError
	var he *echo.HTTPError
	if errors.As(err, &he) {
		status = he.Code
	}
	switch status {
	case http.StatusNotFound:
		return newProblem(status, "not-found", "Not found", "There is nothing at this address.")
	case http.StatusMethodNotAllowed:
		return newProblem(status, "method-not-allowed", "Method not allowed", "See the header Allow.")
	case http.StatusInternalServerError:
		return newProblem(status, "internal", "Internal error", "The fault is ours, and has been logged.").because(err)
	}
	return newProblem(status, "refused", http.StatusText(status), "The request was refused.")
}

// send answers with the problem.
func (p *problem) send(c echo.Context, log *slog.Logger) {
	if c.Response().Committed {
		return
	}
	p.Instance = requestID(c)
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, "application/problem+json")
	header.Set("Cache-Control", "no-store")
	header.Del("ETag")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(max(1, int(p.retryAfter.Round(time.Second)/time.Second))))
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	c.Response().WriteHeader(p.Status)
	if err := json.NewEncoder(c.Response()).Encode(p); err != nil && !errors.Is(err, context.Canceled) {
		log.Debug("answer not sent", "error", err)
	}
}

package ingest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// Health answers the pollers' questions.
type Health interface {
	PingContext(ctx context.Context) error
	WebhookHealth(ctx context.Context) (event.Health, error)
}

// healthAge is how old an answer may be: anyone may poll, as fast as they like.
const healthAge = time.Second

// healthHandler asks the database at most once per healthAge.
type healthHandler struct {
	health Health
	ready  func() bool

	ping struct {
		sync.Mutex
		at  time.Time
		err error
	}
	read struct {
		sync.Mutex
		at    time.Time
		state event.Health
		err   error
	}
}

func (h *healthHandler) alive(c echo.Context) error {
	h.ping.Lock()
	if time.Since(h.ping.at) > healthAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), time.Second)
		h.ping.err = h.health.PingContext(ctx)
		h.ping.at = time.Now()
		cancel()
	}
	err := h.ping.err
	h.ping.Unlock()
	if err != nil || !h.ready() {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

func (h *healthHandler) webhooks(c echo.Context) error {
	h.read.Lock()
	if time.Since(h.read.at) > healthAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), time.Second)
		h.read.state, h.read.err = h.health.WebhookHealth(ctx)
		h.read.at = time.Now()
		cancel()
	}
	state, err := h.read.state, h.read.err
	h.read.Unlock()
	if err != nil {
		c.Response().Header().Set("Retry-After", seconds(retryAfter))
		return c.JSON(http.StatusServiceUnavailable, failure{"Temporarily unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]event.Health{"stripe": state})
}

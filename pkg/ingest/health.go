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

	mu       sync.Mutex
	pinged   time.Time
	pingErr  error
	read     time.Time
	state    event.Health
	stateErr error
}

func (h *healthHandler) alive(c echo.Context) error {
	h.mu.Lock()
	if time.Since(h.pinged) > healthAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), time.Second)
		h.pingErr = h.health.PingContext(ctx)
		h.pinged = time.Now()
		cancel()
	}
	err := h.pingErr
	h.mu.Unlock()
	if err != nil || !h.ready() {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

func (h *healthHandler) webhooks(c echo.Context) error {
	h.mu.Lock()
	if time.Since(h.read) > healthAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), time.Second)
		h.state, h.stateErr = h.health.WebhookHealth(ctx)
		h.read = time.Now()
		cancel()
	}
	state, err := h.state, h.stateErr
	h.mu.Unlock()
	if err != nil {
		c.Response().Header().Set("Retry-After", seconds(retryAfter))
		return c.JSON(http.StatusServiceUnavailable, failure{"Temporarily unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]event.Health{"stripe": state})
}

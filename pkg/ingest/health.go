package ingest

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// Health knows how deliveries have fared.
type Health interface {
	WebhookHealth(ctx context.Context) (event.Health, error)
}

// healthInterval is how often the database is asked, whoever polls and however
// fast.
const healthInterval = 2 * time.Second

// healthHandler answers from memory.
type healthHandler struct {
	health Health
	ready  func(context.Context) bool
	latest atomic.Pointer[healthReading] // nil before the first
}

type healthReading struct {
	state event.Health
	err   error
}

// run reads until ctx ends.
func (h *healthHandler) run(ctx context.Context) {
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	for {
		h.read(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *healthHandler) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, healthInterval)
	defer cancel()
	var r healthReading
	r.state, r.err = h.health.WebhookHealth(ctx)
	h.latest.Store(&r)
}

// alive says that the process runs: one that waits for its database is not
// mended by a restart.
func (h *healthHandler) alive(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readiness says whether deliveries are accepted, and to the public no more.
func (h *healthHandler) readiness(c echo.Context) error {
	if !h.ready(c.Request().Context()) {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

func (h *healthHandler) webhooks(c echo.Context) error {
	latest := h.latest.Load()
	if latest == nil || latest.err != nil {
		c.Response().Header().Set("Retry-After", seconds(retryAfter))
		return c.JSON(http.StatusServiceUnavailable, failure{"Temporarily unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]event.Health{"stripe": latest.state})
}

package ingest

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// Answers. All refusals look the same, so that nobody learns from them which
// restaurant exists or which check failed.
type (
	accepted struct {
		Received  bool   `json:"received"`
		ID        string `json:"id"`
		Duplicate bool   `json:"duplicate,omitempty"`
	}
	failure struct {
		Error string `json:"error"`
	}
)

const (
	refusal = "Webhook signature verification failed"

	// retryAfter tells a sender that reads it when to come back. Stripe
	// follows its own schedule.
	retryAfter = 5 * time.Second
)

func (h *handler) accept(c echo.Context, v verdict, r event.Record, stored bool, started time.Time) error {
	result := "accepted"
	if !stored {
		result = "duplicate"
	}
	h.metrics.Deliveries.WithLabelValues(result).Inc()
	h.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "delivery",
		slog.String("result", result), slog.Int("status", http.StatusOK),
		slog.String("event", r.ProviderEventID), slog.String("type", r.Type),
		slog.String("restaurant", r.RestaurantID), slog.Int("bytes", len(r.Payload)),
		slog.String("id", r.ID), slog.Float64("ms", float64(h.now().Sub(started).Microseconds())/1000))
	return c.JSON(http.StatusOK, accepted{Received: true, ID: v.env.ID, Duplicate: !stored})
}

// refuse answers a delivery that nobody's secret signed. Addresses that send
// many of those are told to wait; signed deliveries of theirs still pass.
func (h *handler) refuse(c echo.Context, v verdict, body []byte) error {
	from := address(c.Request())
	if !h.failures.allow(from, h.now()) {
		h.metrics.Deliveries.WithLabelValues("limited").Inc()
		c.Response().Header().Set("Retry-After", seconds(retryAfter))
		return c.JSON(http.StatusTooManyRequests, failure{"Too many failing requests"})
	}
	result := "verification_failed"
	if v.status == event.NoConfig {
		result = "no_config"
	}
	h.metrics.Deliveries.WithLabelValues(result).Inc()
	h.recordFailure(v, body)
	restaurant := ""
	if v.tenant != nil {
		restaurant = v.tenant.restaurantID
	}
	h.log.LogAttrs(c.Request().Context(), slog.LevelWarn, "delivery",
		slog.String("result", result), slog.Int("status", http.StatusBadRequest),
		slog.String("reason", v.reason), slog.String("restaurant", restaurant),
		slog.String("from", from), slog.Int("bytes", len(body)))
	return c.JSON(http.StatusBadRequest, failure{refusal})
}

// recordFailure keeps a row for operators, if the caps allow one. Without a
// restaurant only NO_CONFIG is worth a row: the rest is noise from the net.
func (h *handler) recordFailure(v verdict, body []byte) {
	restaurant := ""
	if v.tenant != nil {
		restaurant = v.tenant.restaurantID
	}
	if restaurant == "" && v.status != event.NoConfig {
		return
	}
	if !h.failures.keep(restaurant, h.now()) {
		h.metrics.FailuresUnkept.Inc()
		return
	}
	if v.env.Created.IsZero() {
		v.env.Created, v.env.Type = h.now(), "unknown"
	}
	// The time is the sender's word: a partition far off is not for him to fill.
	if d := h.now().Sub(v.env.Created); d > 31*24*time.Hour || d < -24*time.Hour {
		v.env.Created = h.now()
	}
	record, err := newRecord(v, body[:min(len(body), maxKeptPayload)])
	if err != nil || !h.writer.offer(record) {
		h.metrics.FailuresUnkept.Inc()
	}
}

// unavailable asks for another delivery.
func (h *handler) unavailable(c echo.Context, v verdict, err error) error {
	h.metrics.Deliveries.WithLabelValues("unavailable").Inc()
	h.log.LogAttrs(c.Request().Context(), slog.LevelError, "delivery",
		slog.String("result", "unavailable"), slog.Int("status", http.StatusServiceUnavailable),
		slog.String("event", v.env.ID), slog.String("type", v.env.Type), slog.Any("error", err))
	c.Response().Header().Set("Retry-After", seconds(retryAfter))
	return c.JSON(http.StatusServiceUnavailable, failure{"Temporarily unavailable, please deliver again"})
}

// unread answers a body that was too large, or that broke off.
func (h *handler) unread(c echo.Context, err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		h.metrics.Deliveries.WithLabelValues("too_large").Inc()
		c.Response().Header().Set("Connection", "close") // the rest is not read
		return c.JSON(http.StatusRequestEntityTooLarge, failure{"Request body too large"})
	}
	h.metrics.Deliveries.WithLabelValues("broken_off").Inc()
	return c.JSON(http.StatusBadRequest, failure{refusal})
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

package ingest

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// failure is the body of what is not accepted. All refusals look the same, so
// that nobody learns from them which restaurant exists or which check failed.
type failure struct {
	Error string `json:"error"`
}

const (
	refusal = "Webhook signature verification failed"

	// retryAfter tells a sender that reads it when to come back. Stripe
	// follows its own schedule.
	retryAfter = 5 * time.Second
)

func (h *handler) accept(c echo.Context, d *delivery, r event.Record, stored bool, started time.Time) error {
	result := "accepted"
	if !stored {
		result = "duplicate"
	}
	h.metrics.Deliveries.WithLabelValues(result).Inc()
	h.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "delivery",
		slog.String("result", result), slog.Int("status", http.StatusOK),
		slog.String("event", r.ProviderEventID), slog.String("type", r.Type),
		slog.String("restaurant", r.RestaurantID), slog.String("secret", d.signed),
		slog.Int("bytes", len(r.Payload)), slog.String("id", r.ID),
		slog.Float64("ms", float64(h.now().Sub(started).Microseconds())/1000))
	return c.JSONBlob(http.StatusOK, accepted(d.env.ID, !stored))
}

// accepted is the body of a 200, the one answer that there are many of.
func accepted(id string, duplicate bool) []byte {
	body := append(make([]byte, 0, 96), `{"received":true,"id":`...)
	body = appendJSON(body, id)
	if duplicate {
		body = append(body, `,"duplicate":true`...)
	}
	return append(body, '}', '\n')
}

// appendJSON appends text as a JSON string. Stripe's ids need no escapes.
func appendJSON(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, _ := json.Marshal(text) // a string always encodes
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// refuse answers a delivery that nobody's secret signed. Addresses that send
// many of those are told to wait; signed deliveries of theirs still pass. Why
// it failed is found out, recorded and logged by the examiner, so that the
// sender can't tell from the answer or its time.
func (h *handler) refuse(c echo.Context, d *delivery) error {
	if !h.failures.allow(d.from, h.now()) {
		h.metrics.Deliveries.WithLabelValues("limited").Inc()
		c.Response().Header().Set("Retry-After", seconds(retryAfter))
		return c.JSON(http.StatusTooManyRequests, failure{"Too many failing requests"})
	}
	result := "verification_failed"
	if d.status == event.NoConfig {
		result = "no_config"
	}
	h.metrics.Deliveries.WithLabelValues(result).Inc()
	h.examiner.submit(d)
	return c.JSON(http.StatusBadRequest, failure{refusal})
}

// forbid answers an address that is not on the list. It needs no secrecy: the
// sender knows its address, and the list is Stripe's published one.
func (h *handler) forbid(c echo.Context) error {
	h.metrics.Deliveries.WithLabelValues("forbidden").Inc()
	return c.JSON(http.StatusForbidden, failure{"Forbidden"})
}

// unavailable asks for another delivery.
func (h *handler) unavailable(c echo.Context, d *delivery, err error) error {
	h.metrics.Deliveries.WithLabelValues("unavailable").Inc()
	h.log.LogAttrs(c.Request().Context(), slog.LevelError, "delivery",
		slog.String("result", "unavailable"), slog.Int("status", http.StatusServiceUnavailable),
		slog.String("event", d.env.ID), slog.String("type", d.env.Type), slog.Any("error", err))
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

package api

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// story is what one request has to tell in the log.
type story struct {
	id     string
	notes  []slog.Attr
	waited time.Duration
}

const storyKey = "story"

// requestID is what an error and the log's line know the request by.
func requestID(c echo.Context) string {
	if t, ok := c.Get(storyKey).(*story); ok {
		return t.id
	}
	return ""
}

// note adds to the request's line. Nothing secret may go there: no token, no
// key, no URL with one.
func note(c echo.Context, name, value string) {
	if t, ok := c.Get(storyKey).(*story); ok {
		t.notes = append(t.notes, slog.String(name, value))
	}
}

// waited keeps the time that a client waits for a change apart from the time
// that we take.
func waited(c echo.Context, d time.Duration) {
	if t, ok := c.Get(storyKey).(*story); ok {
		t.waited = d
	}
}

// request answers errors, and writes one line for each request when it ends.
func (s *Server) request(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		t := &story{id: strings.ToLower(rand.Text())}
		c.Set(storyKey, t)
		c.Response().Header().Set("X-Request-Id", t.id)
		var cause error
		if err := next(c); err != nil {
			p := asProblem(err)
			cause = p.cause
			p.send(c, s.log)
		}
		route, status := c.Path(), c.Response().Status
		if status == http.StatusNotFound && !strings.HasPrefix(route, ordersPath) || route == "" {
			route = "none" // what the world asks for is no label
		}
		s.metrics.Requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
		s.metrics.Seconds.WithLabelValues(route).Observe((time.Since(started) - t.waited).Seconds())
		if route == "/health" && status == http.StatusOK {
			return nil
		}
		attrs := append([]slog.Attr{
			slog.String("method", c.Request().Method), slog.String("route", route), slog.Int("status", status),
			slog.String("request", t.id), slog.Float64("ms", millis(time.Since(started)-t.waited)),
		}, t.notes...)
		if t.waited > 0 {
			attrs = append(attrs, slog.Float64("waited_ms", millis(t.waited)))
		}
		level := slog.LevelInfo
		if cause != nil {
			attrs = append(attrs, slog.Any("error", cause))
			if status >= http.StatusInternalServerError {
				level = slog.LevelError
			}
		}
		s.log.LogAttrs(c.Request().Context(), level, "request", attrs...)
		return nil
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// secure sets the headers that an API needs: nothing of it is to be shown,
// framed, kept, or told to another site by its address.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		return next(c)
	}
}

// crossOrigin lets the shop's pages, and nobody else's, read the answers.
func (s *Server) crossOrigin(method string) echo.MiddlewareFunc {
	shop := origin(s.frontend)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			header := c.Response().Header()
			header.Add("Vary", "Origin")
			if c.Request().Header.Get("Origin") == shop {
				header.Set("Access-Control-Allow-Origin", shop)
				header.Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
				if c.Request().Method == http.MethodOptions {
					header.Set("Access-Control-Allow-Methods", method)
					header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, Last-Event-ID, Cache-Control")
					header.Set("Access-Control-Max-Age", "600")
				}
			}
			return next(c)
		}
	}
}

// origin is how a browser names the site of an address: in small letters, and
// without the port that goes without saying.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port, ok := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; ok {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}

func preflight(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

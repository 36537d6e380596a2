package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"tillhook/pkg/web"
)

// Config is what a Server is made of; every field is required but
// TrustedProxies.
type Config struct {
	Accounts Accounts
	Sessions Sessions
	Watch    Watch
	Events   Events
	Orders   Orders
	Settings Settings
	Signer   Signer
	Audit    Audit
	Queues   Queues
	Log      *slog.Logger

	// CheckPassword reports whether a password is the one that was stored, and
	// takes as long whichever it is.
	CheckPassword func(stored, password string) (bool, error)
	// NobodysPassword is the hash that is checked where there is no account, so
	// that nobody can measure which there are.
	NobodysPassword string

	IngestURL      string         // where a test event is sent to
	Insecure       bool           // cookies also without TLS: on this machine only
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
}

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second // a test event is waited for
	idleTimeout       = 120 * time.Second
	shutdownTimeout   = 5 * time.Second
	maxHeaderBytes    = 16 << 10
	maxForm           = "256K" // a page of checkboxes, with room
)

// Server is the panel.
type Server struct {
	Config
	http   *http.Server
	echo   *echo.Echo
	pages  pages
	pulse  *pulse
	checks chan struct{} // passwords that are checked at a time: each takes memory

	streams *streams

	operatorQueues, viewerQueues http.Handler
	stopping                     context.Context
	stop                         context.CancelFunc
}

// NewServer wires the routes.
func NewServer(cfg Config) (*Server, error) {
	pages, err := readPages()
	if err != nil {
		return nil, err
	}
	s := &Server{Config: cfg, pages: pages, pulse: newPulse(cfg.Watch, cfg.Log), checks: make(chan struct{}, passwordChecks), streams: newStreams(),
		operatorQueues: cfg.Queues(queuesUI, false), viewerQueues: cfg.Queues(queuesUI, true)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	e := echo.New()
	e.HTTPErrorHandler = s.answerError
	e.IPExtractor = web.SenderAddress(cfg.TrustedProxies)
	e.Use(s.logRequest, middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: panicked}), s.secure, middleware.BodyLimit(maxForm), sameOrigin())
	for _, r := range s.routes() {
		e.Add(r.method, r.path, s.guard(r))
	}
	s.echo = e
	s.http = &http.Server{
		Handler: e, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Run serves on l until ctx ends, and then finishes the requests under way.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	background, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { s.pulse.Run(background) })
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		s.Log.Info("shutting down")
		s.stop() // streams never end by themselves
		err = web.Finish(context.WithoutCancel(ctx), s.http, shutdownTimeout, s.Log)
		<-served
	}
	s.stop()
	stop()
	running.Wait()
	return err
}

// policy is for our own pages: nothing inline, nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers of every answer.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		if isQueuesUI(c.Request().URL.Path) { // one of our pages frames these
			h.Set("Content-Security-Policy", framedPolicy)
			h.Set("X-Frame-Options", "SAMEORIGIN")
		}
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if !s.Insecure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// sameOrigin refuses what another site lets a browser send, whatever it sends.
// Our own forms carry a token beside this.
func sameOrigin() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := protection.Check(c.Request()); err != nil {
				return echo.NewHTTPError(http.StatusForbidden, "This was sent from another site.")
			}
			return next(c)
		}
	}
}

// panicked gives the error of a panic its stack, for the log that all errors go
// to; Echo would print it by itself.
func panicked(_ echo.Context, err error, stack []byte) error {
	return fmt.Errorf("panicking: %w\n%s", err, stack)
}

// logRequest writes the one line of a request.
func (s *Server) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err) // so that the status is known
		}
		who := ""
		if me := signedIn(c); me != nil {
			who = me.Email
		}
		// The route, not the path: a search names orders and customers' ids.
		s.Log.Info("panel", "method", c.Request().Method, "route", c.Path(), "status", c.Response().Status,
			"ms", time.Since(started).Milliseconds(), "from", c.RealIP(), "operator", who)
		return nil
	}
}

// answerError shows a page that says what went wrong, and no more than that.
func (s *Server) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status, text := http.StatusInternalServerError, "Something went wrong here. It is in the log."
	var he *echo.HTTPError
	var refusal Refusal
	switch {
	case errors.Is(err, ErrNotFound):
		status, text = http.StatusNotFound, "There is nothing of this name."
	case errors.As(err, &refusal):
		status, text = http.StatusUnprocessableEntity, refusal.Error()
	case errors.As(err, &he):
		status, text = he.Code, fmt.Sprint(he.Message)
	}
	if status == http.StatusInternalServerError {
		s.Log.Error("request failed", "route", c.Path(), "error", err)
	}
	if !strings.Contains(c.Request().Header.Get("Accept"), "text/html") || c.Request().Method == http.MethodHead {
		err = c.String(status, text)
	} else {
		err = s.render(c, status, "error", page{Title: http.StatusText(status), Content: text})
	}
	if err != nil {
		s.Log.Debug("answer not sent", "error", err)
	}
}

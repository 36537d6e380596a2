package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"

	"tillhook/pkg/batch"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/web"
)

// Config is what a Server is made of; every field is required but Tracer,
// Now, Leaving and the lists of addresses.
type Config struct {
	Format    Format
	Store     Store
	Queue     Queue
	Directory *Directory
	Lookup    Lookup
	Uses      UseStore
	Health    Health
	Ready     func(context.Context) bool // whether what a 200 needs is there
	Metrics   *telemetry.Metrics
	Log       *slog.Logger
	Tracer    *telemetry.Tracer // nil for none
	Now       func() time.Time  // default time.Now

	Leaving        func() bool    // whether clients are to go elsewhere with their next request
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	AllowedSenders []netip.Prefix // none: everyone may call, the signature decides
}

const (
	// A delivery is a few kilobytes from a data centre: what takes longer
	// than this is not Stripe.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 120 * time.Second // Stripe keeps connections open
	maxHeaderBytes    = 16 << 10
	maxConnections    = 8192 // more wait in the kernel's queue

	// A shutdown takes 10 s at the most: so long for requests under way, and
	// so long for the writer to commit and queue what they brought.
	requestsTimeout = 6 * time.Second
	flushTimeout    = 3 * time.Second
)

// Server is the public receiver.
type Server struct {
	http      *http.Server
	directory *Directory
	writer    *writer
	examiner  *examiner
	uses      *batch.Latest[useKey]
	health    *healthHandler
	log       *slog.Logger
}

// NewServer wires the routes of the contract, and nothing else.
func NewServer(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{
		format: cfg.Format, directory: cfg.Directory, resolver: newResolver(cfg.Directory, cfg.Lookup),
		writer:   newWriter(cfg.Store, cfg.Queue, cfg.Metrics, cfg.Log),
		failures: newFailures(), long: semaphore.NewWeighted(longBodies), allowed: cfg.AllowedSenders,
		metrics: cfg.Metrics, log: cfg.Log, tracer: cfg.Tracer, now: cfg.Now,
	}
	h.examiner, h.uses = newExaminer(h), newUses(cfg.Uses, cfg.Log)
	health := &healthHandler{health: cfg.Health, ready: cfg.Ready}
	e := echo.New()
	e.HTTPErrorHandler = answerError(cfg.Log)
	e.IPExtractor = web.SenderAddress(cfg.TrustedProxies)
	e.Use(middleware.Recover(), secure)
	if cfg.Leaving != nil {
		e.Use(web.SendAway(cfg.Leaving))
	}
	for _, path := range []string{"/api/v1/webhooks/stripe", "/api/v1/webhooks/stripe/:restaurant"} {
		e.POST(path, h.receive)
		e.OPTIONS(path, notAllowed) // Echo would answer it by itself
	}
	e.GET("/livez", health.alive)
	for _, path := range []string{"/health", "/readyz"} {
		e.GET(path, health.readiness)
	}
	e.GET("/api/health/webhooks", health.webhooks)
	return &Server{
		directory: cfg.Directory, writer: h.writer, examiner: h.examiner, uses: h.uses, health: health, log: cfg.Log,
		http: &http.Server{
			Handler: e, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
			WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
			ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		},
	}
}

// Run serves on l until ctx ends. Then it accepts no more, finishes the
// requests under way, commits and queues what they brought, and returns.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	background, stop := context.WithCancel(ctx)
	defer stop()
	// The writer outlives ctx: it ends with the last request, or, when a
	// service is away, with flushTimeout.
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var running sync.WaitGroup
	running.Go(func() { s.directory.Run(background) })
	running.Go(func() { s.uses.Run(background) })
	running.Go(func() { s.health.run(background) })
	running.Go(func() { s.writer.run(work) })
	examined := make(chan struct{})
	go func() {
		defer close(examined)
		s.examiner.run(work)
	}()

	served := make(chan error, 1)
	go func() { served <- s.http.Serve(netutil.LimitListener(l, maxConnections)) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		s.log.Info("shutting down")
		err = web.Finish(context.WithoutCancel(ctx), s.http, requestsTimeout, s.log)
		<-served
	}
	stop()
	defer time.AfterFunc(flushTimeout, abandon).Stop()
	s.examiner.close()
	<-examined // it gives the writer its last rows
	s.writer.close()
	running.Wait()
	return err
}

func notAllowed(c echo.Context) error {
	c.Response().Header().Set("Allow", http.MethodPost)
	return echo.ErrMethodNotAllowed
}

// secure sets the headers that an API needs: nothing of it is to be shown,
// framed or kept.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header["X-Content-Type-Options"] = nosniff
		header["Cache-Control"] = noStore
		header["Content-Security-Policy"] = noContent
		return next(c)
	}
}

// Shared by all answers, and never written to: Set would allocate each.
var (
	nosniff   = []string{"nosniff"}
	noStore   = []string{"no-store"}
	noContent = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// answerError gives routing errors and panics the contract's shape.
func answerError(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		status := http.StatusInternalServerError
		var he *echo.HTTPError
		if errors.As(err, &he) {
			status = he.Code
		}
		if status == http.StatusInternalServerError {
			log.Error("request failed", "path", c.Path(), "error", err)
		}
		if err := c.JSON(status, failure{http.StatusText(status)}); err != nil {
			log.Debug("answer not sent", "error", err)
		}
	}
}

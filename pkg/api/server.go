package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/net/netutil"

	"tillhook/pkg/batch"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/web"
)

// Config is what a Server is made of; every field is required but the last
// ones.
type Config struct {
	Orders    Orders
	Checkouts Checkouts
	Abandoned Abandoned
	Stripe    Stripe
	Keys      Keys
	KeyForm   KeyForm
	Tokens    Tokens
	Frontend  *url.URL // the shop: its pages may ask, and Stripe leads back there
	Ready     func(context.Context) bool
	Metrics   *telemetry.API
	Log       *slog.Logger

	Now            func() time.Time // default time.Now
	MaxWaiting     int              // clients in this process, default DefaultMaxWaiting
	WriteTimeout   time.Duration    // how long a client may take to fetch what it is sent, default 10 s
	Leaving        func() bool      // whether clients are to go elsewhere with their next request
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is believed
}

const (
	// What is asked for here is small, and so are the answers. Whoever waits
	// for a change has limits of their own.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	answerTimeout     = checkoutTimeout + 10*time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 8 << 10
	spareConnections  = 2000 // beside those of clients that wait

	// requestsTimeout is for requests under way at a shutdown: those that ask
	// Stripe have the longest way.
	requestsTimeout = 8 * time.Second
)

const ordersPath = "/api/v1/orders"

// Server is the storefront's API.
type Server struct {
	http        *http.Server
	echo        *echo.Echo
	connections int

	orders   Orders
	starts   Checkouts
	stripe   Stripe
	keys     Keys
	keyForm  KeyForm
	tokens   Tokens
	frontend *url.URL
	ready    func(context.Context) bool
	metrics  *telemetry.API
	log      *slog.Logger
	now      func() time.Time
	within   time.Duration // for a client to fetch what it is sent

	hub     *hub
	uses    *batch.Latest[string]
	closer  closer
	room    *room
	closing chan struct{} // closed when whoever waits is to be sent away

	failures, creations, checkouts, visitors *buckets
}

// NewServer wires the routes of the contract, and nothing else.
func NewServer(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = DefaultMaxWaiting
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = writeTimeout
	}
	s := &Server{
		connections: cfg.MaxWaiting + spareConnections,
		orders:      cfg.Orders, starts: cfg.Checkouts, stripe: cfg.Stripe, keys: cfg.Keys, keyForm: cfg.KeyForm, tokens: cfg.Tokens,
		frontend: cfg.Frontend, ready: cfg.Ready, metrics: cfg.Metrics, log: cfg.Log, now: cfg.Now, within: cfg.WriteTimeout,
		hub: newHub(cfg.Orders, cfg.Metrics, cfg.Log), uses: newUses(cfg.Keys, cfg.Log),
		closer: closer{cfg.Abandoned, cfg.Log},
		room:   newRoom(cfg.MaxWaiting, maxWaitingPerPlace), closing: make(chan struct{}),
		failures: newBuckets(failuresPerSecond, failuresBurst), creations: newBuckets(ordersPerSecond, ordersBurst),
		checkouts: newBuckets(checkoutsPerSecond, checkoutsBurst), visitors: newBuckets(visitorPerSecond, visitorBurst),
	}
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { asProblem(err).send(c, s.log) }
	e.IPExtractor = web.SenderAddress(cfg.TrustedProxies)
	e.Use(s.request, middleware.RecoverWithConfig(middleware.RecoverConfig{
		DisableStackAll: true,
		// Into the request's line, instead of a format of Echo's own.
		LogErrorFunc: func(_ echo.Context, err error, stack []byte) error { return fmt.Errorf("%w\n%s", err, stack) },
	}), secure)
	if cfg.Leaving != nil {
		e.Use(web.SendAway(cfg.Leaving))
	}
	s.routes(e)
	s.echo = e
	s.http = &http.Server{
		Handler: e, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

func (s *Server) routes(e *echo.Echo) {
	shared := s.crossOrigin("GET")
	e.POST(ordersPath, s.createOrder)
	e.POST(ordersPath+"/:order/checkout", s.checkout, s.crossOrigin("POST"))
	e.OPTIONS(ordersPath+"/:order/checkout", preflight, s.crossOrigin("POST"))
	e.GET(ordersPath+"/:order", s.orderStatus, shared)
	e.OPTIONS(ordersPath+"/:order", preflight, shared)
	e.GET(ordersPath+"/:order/events", s.streamOrder, shared)
	e.OPTIONS(ordersPath+"/:order/events", preflight, shared)
	e.GET("/api/v1/openapi.json", openAPI)
	e.GET("/widget.js", widgetScript)
	e.GET("/health", s.health)
}

// Run serves on l until ctx ends. Then it accepts no more, sends away whoever
// waits, finishes the other requests, and returns.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	background, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { s.hub.run(background) })
	running.Go(func() { s.uses.Run(background) })
	running.Go(func() { s.closer.run(background) })
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(netutil.LimitListener(l, s.connections)) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serving: %w", err)
		close(s.closing)
	case <-ctx.Done():
		s.log.Info("shutting down")
		close(s.closing)
		err = web.Finish(context.WithoutCancel(ctx), s.http, requestsTimeout, s.log)
		<-served
	}
	stop()
	running.Wait()
	return err
}

// health says whether orders are taken, and to the public no more.
func (s *Server) health(c echo.Context) error {
	if !s.ready(c.Request().Context()) {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

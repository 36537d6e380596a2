package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"tillhook/pkg/api"
	"tillhook/pkg/health"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
	"tillhook/pkg/telemetry"
)

const (
	// checkoutRate is requests a second to Stripe of one process for all
	// restaurants. STRIPE_API_RATE is for what nobody waits for; a customer who
	// wants to pay is slowed down by that restaurant's share only.
	checkoutRate = 1000
	// checkoutPatience is how long a customer's request may wait for its turn.
	checkoutPatience = 5 * time.Second
)

// API runs the storefront until ctx ends.
func API(ctx context.Context, p Process) error {
	if done, err := p.asked("api", "makes orders, leads to Stripe Checkout, and tells how they stand, on PORT."); done {
		return err
	}
	cfg, err := ReadConfig(p.Env, RoleAPI)
	if err != nil {
		return err
	}
	p.collect(leanGarbage, 0)
	listener, err := net.Listen("tcp", fmt.Sprint(":", cfg.Port))
	if err != nil {
		return fmt.Errorf("listening on PORT: %w", err)
	}
	return RunAPI(ctx, cfg, telemetry.NewLogger(p.Stderr, cfg.AppEnv), telemetry.NewMetrics(), listener)
}

// RunAPI runs the storefront on a listener, which it closes.
func RunAPI(ctx context.Context, cfg Config, log *slog.Logger, metrics *telemetry.Metrics, l net.Listener) error {
	log = log.With("service", "api")
	db, err := openPostgres(cfg, "api")
	if err != nil {
		return errors.Join(fmt.Errorf("DATABASE_URL: %w", err), l.Close())
	}
	defer db.Close()
	defer metrics.Pool("api", db.DB.DB, db.Away)()
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return errors.Join(fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err), l.Close())
	}
	if len(ring.Fingerprints()) == 0 {
		log.Warn("without PAYMENT_CONFIG_ENC_KEY the tokens of orders end with this process")
	}
	frontend, err := url.Parse(cfg.FrontendURL)
	if err != nil {
		return errors.Join(fmt.Errorf("FRONTEND_URL: %w", err), l.Close())
	}
	payments := stripe.NewAPI(stripe.APIConfig{BaseURL: cfg.StripeAPIBase, Rate: checkoutRate, MaxWait: checkoutPatience}, apiKeys{db, ring, log})
	defer payments.Close()
	checks := health.New(
		health.Check{Name: "postgres", Needed: true, Run: db.PingContext},
		health.Check{Name: "schema", Needed: true, Run: db.CheckSchema},
	)
	server := api.NewServer(api.Config{
		Orders: db, Checkouts: db, Abandoned: db, Stripe: payments, Keys: db, KeyForm: api.KeyForm{Is: secret.IsShopKey, Hash: secret.HashShopKey},
		Tokens: ring.OrderTokens(), Frontend: frontend, Ready: checks.Ready, Metrics: metrics.NewAPI(), Log: log,
		TrustedProxies: cfg.TrustedProxies, Leaving: checks.Stopping,
	})
	log.Info("listening", "addr", l.Addr().String())
	return withPrivate(ctx, cfg, private{metrics, checks, db}, log, func(ctx context.Context) error {
		return leaveLate(ctx, cfg.ShutdownDelay, log, func(ctx context.Context) error { return server.Run(ctx, l) })
	})
}

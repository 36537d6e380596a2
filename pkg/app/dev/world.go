package dev

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"tillhook/pkg/app"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripetest"
	"tillhook/pkg/telemetry"
)

// world is what this program holds together.
type world struct {
	cfg         app.Config
	db          *postgres.DB
	log         *slog.Logger
	doors       doors
	panel       panel
	restaurants []*restaurant
	stripe      *stripetest.API
	shop        *shop
	settings    string // a file for ops
}

// openWorld makes everything ready, and runs nothing yet. port is that of the
// endpoint, 0 for the configured one.
func openWorld(ctx context.Context, cfg app.Config, port int, db *postgres.DB, home string, log *slog.Logger) (*world, error) {
	restaurants, err := openRestaurants(ctx, cfg, db, home)
	if err != nil {
		return nil, err
	}
	d, err := openDoors(cfg.Port, port)
	if err != nil {
		return nil, err
	}
	cfg.IngestURL, cfg.FrontendURL, cfg.StripeAPIBase = address(d.ingest), address(d.shop), address(d.stripe)
	p, err := openPanel(ctx, cfg, db, home)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return &world{
		cfg: cfg, db: db, log: log, doors: d, panel: p, restaurants: restaurants,
		stripe: newStandIn(restaurants, cfg.IngestURL, log), shop: newShop(restaurants, address(d.api), cfg.StripeAPIBase),
	}, nil
}

// withProduct runs the services around f, with a shop before them and a
// stand-in for Stripe behind. The first that ends, ends the others.
func (w *world) withProduct(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := telemetry.NewMetrics()
	cfg := w.cfg
	cfg.MetricsAddr = "" // one process, one registry: nobody could tell them apart
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return app.RunIngest(ctx, cfg, w.log, metrics, w.doors.ingest) },
		func(ctx context.Context) error { return app.RunWorker(ctx, cfg, w.log, metrics) },
		func(ctx context.Context) error { return app.RunAPI(ctx, cfg, w.log, metrics, w.doors.api) },
		func(ctx context.Context) error { return app.RunAdmin(ctx, cfg, w.log, w.panel.listener) },
		func(ctx context.Context) error { return serve(ctx, w.doors.stripe, w.stripe) },
		func(ctx context.Context) error { return serve(ctx, w.doors.shop, w.shop.handler()) },
	}
	errs := make([]error, len(parts))
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			defer stop()
			errs[i] = part(ctx)
		})
	}
	err := f(ctx)
	stop()
	running.Wait()
	return errors.Join(append(errs, err)...)
}

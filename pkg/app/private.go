package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tillhook/pkg/event"
	"tillhook/pkg/health"
	"tillhook/pkg/postgres"
	"tillhook/pkg/telemetry"
)

const (
	// restaurantPatience is how long the private address waits for one
	// restaurant's health.
	restaurantPatience = 3 * time.Second

	privateHeaderTimeout = 5 * time.Second
)

// private is what a process tells on its private address.
type private struct {
	metrics *telemetry.Metrics
	checks  *health.Checks
	db      *postgres.DB
}

// withPrivate serves /metrics and health in detail, of the process and of each
// restaurant, on the private address while run runs. From the end of ctx on the
// process is unready, however long run goes on.
func withPrivate(ctx context.Context, cfg Config, p private, log *slog.Logger, run func(context.Context) error) error {
	defer context.AfterFunc(ctx, p.checks.Stop)()
	if cfg.MetricsAddr == "" {
		return run(ctx)
	}
	l, err := net.Listen("tcp", cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("listening on METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", health.Live)
	mux.HandleFunc("GET /readyz", p.checks.Details)
	mux.HandleFunc("GET /health/restaurants/{restaurant}", oneRestaurant(p.db, log))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: privateHeaderTimeout}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health are not served any more", "error", err)
		}
	}()
	err = run(ctx)
	closeErr := server.Close()
	<-done
	return errors.Join(err, closeErr)
}

// oneRestaurant answers how the deliveries of a restaurant fare. One is looked
// at at a time: whoever asks about thousands must not slow the work down.
func oneRestaurant(db *postgres.DB, log *slog.Logger) http.HandlerFunc {
	turn := make(chan struct{}, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), restaurantPatience)
		defer cancel()
		answer := func(status int, v any) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			answer(http.StatusServiceUnavailable, map[string]string{"error": "others ask at the same time"})
			return
		}
		h, found, err := restaurantHealth(ctx, db, r.PathValue("restaurant"))
		switch {
		case err != nil:
			log.Warn("a restaurant's health is not known", "restaurant", r.PathValue("restaurant"), "error", err)
			answer(http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		case !found:
			answer(http.StatusNotFound, map[string]string{"error": "there is no such restaurant"})
		default:
			answer(http.StatusOK, h)
		}
	}
}

// restaurantHealth finds one by its slug or its id.
func restaurantHealth(ctx context.Context, db *postgres.DB, name string) (h event.RestaurantHealth, found bool, err error) {
	all, err := db.FindRestaurants(ctx, name)
	if err != nil || len(all) != 1 {
		return h, false, err
	}
	h, _, err = db.RestaurantHealth(ctx, all[0])
	return h, true, err
}

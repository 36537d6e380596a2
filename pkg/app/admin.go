package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/net/netutil"

	"tillhook/pkg/admin"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
	"tillhook/pkg/telemetry"
)

// Admin runs the operators' panel until ctx ends.
func Admin(ctx context.Context, p Process) error {
	if done, err := p.asked("admin", "is the operators' panel, on ADMIN_ADDR."); done {
		return err
	}
	cfg, err := ReadConfig(p.Env, RoleAdmin)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.AdminAddr)
	if err != nil {
		return fmt.Errorf("listening on ADMIN_ADDR: %w", err)
	}
	return RunAdmin(ctx, cfg, telemetry.NewLogger(p.Stderr, cfg.AppEnv), listener)
}

// adminConnections is how many connections the panel has at a time; more wait in
// the kernel's queue.
const adminConnections = 512

// RunAdmin runs the panel on a listener, which it closes.
func RunAdmin(ctx context.Context, cfg Config, log *slog.Logger, l net.Listener) (err error) {
	log = log.With("service", "admin")
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook admin"})
	if err != nil {
		return errors.Join(fmt.Errorf("DATABASE_URL: %w", err), l.Close())
	}
	defer db.Close()
	tasks, err := openQueue(cfg)
	if err != nil {
		return errors.Join(fmt.Errorf("REDIS_URL: %w", err), l.Close())
	}
	defer tasks.Close()
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return errors.Join(fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err), l.Close())
	}
	api := openAPI(cfg, db, ring, log)
	defer api.Close()
	var monitors []io.Closer
	defer func() {
		for _, m := range monitors {
			err = errors.Join(err, m.Close())
		}
	}()
	desk := &adminDesk{db: db, tasks: tasks, ring: ring, api: api}
	server, err := admin.NewServer(admin.Config{
		Accounts: db, Sessions: db, Watch: db, Events: desk, Orders: desk, Settings: desk, Signer: desk, Audit: desk,
		Queues: func(root string, readOnly bool) http.Handler {
			m := tasks.Monitor(root, readOnly)
			monitors = append(monitors, m)
			return m
		},
		CheckPassword: secret.CheckPassword, NobodysPassword: secret.HashPassword(newID("nobody")),
		IngestURL: cfg.IngestURL, Insecure: insecureCookies(cfg, l.Addr()), TrustedProxies: cfg.TrustedProxies, Log: log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	log.Info("listening", "addr", l.Addr().String())
	return server.Run(ctx, netutil.LimitListener(l, adminConnections))
}

// insecureCookies reports whether a browser may send cookies without TLS:
// nowhere but on a developer's own machine.
func insecureCookies(cfg Config, a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback() && (cfg.AppEnv == "development" || cfg.AppEnv == "test")
}

// adminDesk is what the panel asks for, in its own words.
type adminDesk struct {
	db    *postgres.DB
	tasks *queue.Queue
	ring  *secret.Ring
	api   *stripe.API
}

func (d *adminDesk) by(who, action string) written {
	return written{Action: "panel: " + action, Committed: true, Actor: who}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"tillhook/pkg/health"
	"tillhook/pkg/ingest"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

// Process is what main hands over: nothing below it reads a global.
type Process struct {
	Args   []string // without the program's name
	Env    []string // as os.Environ gives it
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer // logs
}

// Ingest runs the receiver until ctx ends.
func Ingest(ctx context.Context, p Process) error {
	if done, err := p.asked("ingest", "receives Stripe's deliveries on PORT."); done {
		return err
	}
	cfg, err := ReadConfig(p.Env, RoleIngest)
	if err != nil {
		return err
	}
	p.collect(ingestGarbage, busyMemory)
	listener, err := net.Listen("tcp", fmt.Sprint(":", cfg.Port))
	if err != nil {
		return fmt.Errorf("listening on PORT: %w", err)
	}
	return RunIngest(ctx, cfg, telemetry.NewLogger(p.Stderr, cfg.AppEnv), telemetry.NewMetrics(), listener)
}

// RunIngest runs the receiver on a listener, which it closes.
func RunIngest(ctx context.Context, cfg Config, log *slog.Logger, metrics *telemetry.Metrics, l net.Listener) error {
	log = log.With("service", "ingest")
	db, err := openBatches(cfg, "ingest", 0)
	if err != nil {
		return errors.Join(fmt.Errorf("DATABASE_URL: %w", err), l.Close())
	}
	defer db.Close()
	defer metrics.Pool("ingest", db.DB.DB, db.Away)()
	// What unsigned deliveries can ask for must not keep the writer waiting.
	lookups, err := openPostgres(cfg, "ingest lookups")
	if err != nil {
		return errors.Join(fmt.Errorf("DATABASE_URL: %w", err), l.Close())
	}
	defer lookups.Close()
	defer metrics.Pool("ingest lookups", lookups.DB.DB, lookups.Away)()
	tasks, err := openQueue(cfg)
	if err != nil {
		return errors.Join(fmt.Errorf("REDIS_URL: %w", err), l.Close())
	}
	defer tasks.Close()
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return errors.Join(fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err), l.Close())
	}
	tracer, err := telemetry.NewTracer(ctx, cfg.OTLPEndpoint, "ingest", log)
	if err != nil {
		return errors.Join(fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err), l.Close())
	}
	defer tracer.Close()
	directory := ingest.NewDirectory(lookups, ring, log)
	checks := health.New(
		health.Check{Name: "postgres", Needed: true, Run: lookups.PingContext},
		health.Check{Name: "schema", Needed: true, Run: lookups.CheckSchema},
		health.Check{Name: "configurations", Needed: true, Run: func(context.Context) error { return directory.Ready() }},
		// Without Redis deliveries are accepted all the same. To send them
		// elsewhere for it would be the outage that there is none of.
		health.Check{Name: "redis", Run: tasks.Ping},
	)
	server := ingest.NewServer(ingest.Config{
		Format: ingest.Format{
			ParseSignature: func(header string) (ingest.Signature, error) { return stripe.ParseSignature(header) },
			Scan:           stripe.Scan,
		},
		Store: db, Queue: tasks, Lookup: lookups, Health: lookups, Uses: lookups,
		Directory: directory, Ready: checks.Ready, Metrics: metrics, Log: log, Tracer: tracer,
		TrustedProxies: cfg.TrustedProxies, AllowedSenders: cfg.IPAllowlist, Leaving: checks.Stopping,
	})
	log.Info("listening", "addr", l.Addr().String())
	return withPrivate(ctx, cfg, private{metrics, checks, lookups}, log, func(ctx context.Context) error {
		return leaveLate(ctx, cfg.ShutdownDelay, log, func(ctx context.Context) error { return server.Run(ctx, l) })
	})
}

// Worker runs the fleet's share of this process until ctx ends.
func Worker(ctx context.Context, p Process) error {
	if done, err := p.asked("worker", "works stored events off, and looks for those that never came."); done {
		return err
	}
	cfg, err := ReadConfig(p.Env, RoleWorker)
	if err != nil {
		return err
	}
	p.collect(workerGarbage, busyMemory)
	return RunWorker(ctx, cfg, telemetry.NewLogger(p.Stderr, cfg.AppEnv), telemetry.NewMetrics())
}

// RunWorker runs the asynq server and the background roles.
func RunWorker(ctx context.Context, cfg Config, log *slog.Logger, metrics *telemetry.Metrics) error {
	log = log.With("service", "worker")
	db, err := openPostgres(cfg, "worker")
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	ledger, err := openLedger(cfg)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer ledger.Close()
	defer metrics.Pool("worker", db.DB.DB, db.Away)()
	defer metrics.Pool("worker ledger", ledger.DB.DB, ledger.Away)()
	scene, err := openPostgres(cfg, "worker observer")
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer scene.Close()
	// The observer keeps a connection for its lock; however few the others
	// have, it must not be one of theirs.
	scene.SetMaxOpenConns(2)
	tasks, err := openQueue(cfg)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer tasks.Close()
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err)
	}
	api := openAPI(cfg, db, ring, log)
	defer api.Close()
	tracer, err := telemetry.NewTracer(ctx, cfg.OTLPEndpoint, "worker", log)
	if err != nil {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	defer tracer.Close()
	processor := worker.NewProcessor(ledger, stripe.Decode, worker.NewFollower(stripe.Thin, cfg.Concurrency, api, db, tasks), metrics, log).Traced(tracer)
	intake := worker.NewIntake(db, tasks).Counted(metrics)
	crew := []func(context.Context){
		worker.NewRecoverer(worker.RecovererConfig{Age: cfg.RecoverAfter, Interval: recoverInterval(cfg)}, db, tasks, metrics, log).Run,
		worker.NewWaker(db, tasks, log).Run,
		worker.NewJanitor(worker.JanitorConfig{Retention: cfg.EventRetention}, db, db, metrics, log).Run,
		worker.NewObserver(scene, tasks, metrics, log).Run,
	}
	if cfg.Backfill > 0 {
		crew = append(crew, worker.NewBackfiller(cfg.Backfill, db, api, intake, log).Run)
	}
	if cfg.Reconcile > 0 {
		crew = append(crew, worker.NewReconciler(cfg.ReconcileAfter, cfg.Reconcile, db, api, intake, log).Run)
	}
	checks := health.New(
		health.Check{Name: "postgres", Needed: true, Run: db.PingContext},
		health.Check{Name: "schema", Needed: true, Run: db.CheckSchema},
		health.Check{Name: "redis", Needed: true, Run: tasks.Ping},
	)
	return withPrivate(ctx, cfg, private{metrics, checks, db}, log, func(ctx context.Context) error {
		warm(ctx, ledger, log)
		log.Info("working", "concurrency", cfg.Concurrency)
		return work(ctx, tasks, queue.FleetConfig{Concurrency: cfg.Concurrency, Log: log}, processor, crew)
	})
}

// warm readies the ledger for its first batch. A worker whose database doesn't
// let it begins all the same: its first batches then take longer, or wait.
func warm(ctx context.Context, ledger *postgres.DB, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, warmWithin)
	defer cancel()
	if err := ledger.Warm(ctx); err != nil {
		log.Warn("not warmed", "error", err)
	}
}

// warmWithin is many times what it takes where the database answers.
const warmWithin = 3 * time.Second

// recoverInterval is how often a recoverer looks.
func recoverInterval(cfg Config) time.Duration { return min(10*time.Second, cfg.RecoverAfter) }

// work runs the fleet with its background roles.
func work(ctx context.Context, tasks *queue.Queue, fleet queue.FleetConfig, p *worker.Processor, crew []func(context.Context)) error {
	roles, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, run := range crew {
		running.Go(func() { run(roles) })
	}
	// The processor outlives ctx: tasks under way still need it.
	running.Go(func() { p.Run(context.WithoutCancel(ctx)) })
	err := tasks.Work(ctx, fleet, p.Process)
	stop()
	p.Close()
	running.Wait()
	return err
}

func openPostgres(cfg Config, name string) (*postgres.DB, error) {
	return postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook " + name})
}

// openBatches is openPostgres for what is written and read by keys only, and that
// waits so long for a lock (0: the default).
func openBatches(cfg Config, name string, patience time.Duration) (*postgres.DB, error) {
	return postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook " + name, Batches: true, LockTimeout: patience})
}

// openLedger is what a worker settles by.
func openLedger(cfg Config) (*postgres.DB, error) {
	return openBatches(cfg, "worker ledger", ledgerPatience)
}

// ledgerPatience is how long a batch of the worker waits for an order that
// somebody holds, before all of it is done again without that one: many times
// what another worker's batch takes.
const ledgerPatience = 250 * time.Millisecond

func openQueue(cfg Config) (*queue.Queue, error) { return queue.Open(cfg.RedisURL.Reveal()) }

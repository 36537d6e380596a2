// Package dev runs everything in one process, on services that it finds or
// starts by itself, and plays payments through it over real HTTP. world.go holds
// it together, show.go plays the orders, shop.go is the shop, standin.go stands
// in for Stripe, trigger.go sends a story of the developer's choice.
package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/app"
	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
	"tillhook/pkg/telemetry"
)

type options struct {
	once    bool
	timeout time.Duration
	port    int
	dir     string
}

// Run is cmd/dev.
func Run(ctx context.Context, p app.Process) error {
	var o options
	root := &cobra.Command{
		Use: "dev", Short: "Run the whole product here and play payments through it", Args: cobra.NoArgs,
		Long: "Runs the services in one process, on DATABASE_URL and REDIS_URL if they are\n" +
			"set, otherwise on a Postgres and a Redis that it starts. It makes three\n" +
			"restaurants and thirty orders, posts signed Stripe events for them to its own\n" +
			"endpoint, and shows the orders as they move. Then it keeps running until Ctrl-C,\n" +
			"with a shop in which to order, and a stand-in for Stripe's page on which to pay.",
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context(), p, o) },
	}
	flags := root.Flags()
	flags.BoolVar(&o.once, "once", false, "stop when every order is where it must be; exit 1 if one is not in time")
	flags.DurationVar(&o.timeout, "timeout", 60*time.Second, "how long the orders may take")
	flags.IntVar(&o.port, "port", 0, "port of the endpoint (default PORT, else 3000, or a free one if that is taken)")
	root.PersistentFlags().StringVar(&o.dir, "dir", "", "where data and logs live (default a folder tillhook in the user's cache)")
	root.AddCommand(triggerCommand(p, &o.dir), benchCommand(p), roleCommand(p))
	// cobra doesn't know how wide a terminal is.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

func run(ctx context.Context, p app.Process, o options) (err error) {
	say := func(format string, args ...any) { fmt.Fprintf(p.Stdout, "  "+format+"\n", args...) }
	fmt.Fprint(p.Stdout, "\ntillhook: Stripe calls, an order becomes PAID\n\n")
	stack, err := devstack.Start(ctx, devstack.Config{
		DatabaseURL: lookup(p.Env, "DATABASE_URL"), RedisURL: lookup(p.Env, "REDIS_URL"),
		Dir: o.dir, Keep: true, Fsync: true, Log: say,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	say("Postgres   %s", stack.PostgresFrom)
	say("Redis      %s", stack.RedisFrom)

	home, err := ownFolder(o.dir)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(home, "dev.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer logFile.Close()
	cfg, err := config(p.Env, stack, home)
	if err != nil {
		return err
	}
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{Name: "tillhook dev"})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.MigrateUp(ctx); err != nil {
		return err
	}
	log := telemetry.NewLogger(logFile, cfg.AppEnv)
	w, err := openWorld(ctx, cfg, o.port, db, home, log)
	if err != nil {
		return err
	}
	defer w.stripe.Close()
	if w.settings, err = keepSettings(w.cfg, home); err != nil {
		return err
	}
	say("Log        %s", logFile.Name())
	return w.withProduct(ctx, func(ctx context.Context) error { return w.playAndServe(ctx, p, o) })
}

// config is that of the environment, on the services of the stack.
func config(environ []string, stack *devstack.Stack, home string) (app.Config, error) {
	keys, err := encryptionKey(environ, home)
	if err != nil {
		return app.Config{}, err
	}
	return app.ReadConfig(append(slices.Clone(environ),
		"DATABASE_URL="+stack.DatabaseURL, "REDIS_URL="+stack.RedisURL, "PAYMENT_CONFIG_ENC_KEY="+keys,
		"DATABASE_URL_FILE=", "REDIS_URL_FILE=", "PAYMENT_CONFIG_ENC_KEY_FILE=",
		// What gets lost is found within seconds while someone watches.
		"RECOVER_AFTER=2s", "RECONCILE_AFTER=15s", "RECONCILE_INTERVAL=5s"), app.RoleIngest)
}

// playAndServe plays the orders' stories and one purchase at the shop, and then
// leaves all of it to the developer until Ctrl-C.
func (w *world) playAndServe(ctx context.Context, p app.Process, o options) error {
	for _, base := range []string{w.cfg.IngestURL, address(w.doors.api)} {
		if err := waitReady(ctx, base); err != nil {
			return err
		}
	}
	s, err := w.newShow(ctx)
	if err != nil {
		return err
	}
	screen := newScreen(p.Stdout, s)
	started := time.Now()
	if err := s.play(ctx, o, screen); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil // Ctrl-C
	}
	fmt.Fprintf(p.Stdout, "\n  all %d orders are where they must be, after %s and %d deliveries\n",
		len(s.orders), time.Since(started).Round(10*time.Millisecond), s.deliveries.Load())
	took, err := w.orderAndPay(ctx, o.timeout)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	fmt.Fprintf(p.Stdout, "  one more was ordered at the shop, and paid; its customer knew after %s\n", took.Round(10*time.Millisecond))
	if o.once {
		return nil
	}
	w.printGuide(p.Stdout)
	<-ctx.Done()
	fmt.Fprintln(p.Stdout, "\n  stopping …")
	return nil
}

// unlessStopped is err, or nil if it was Ctrl-C that has caused it.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ownFolder is where this program's own files live: next to the data, but
// belonging to the user, even if the data belong to the database's.
func ownFolder(dir string) (string, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		dir = filepath.Join(cache, "tillhook")
		if err != nil { // no HOME, as in a container
			dir = filepath.Join(os.TempDir(), fmt.Sprintf("tillhook-%d", os.Getuid()))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	return dir, nil
}

func lookup(environ []string, name string) string {
	for _, pair := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

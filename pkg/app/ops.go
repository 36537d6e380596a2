package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// Ops is the operators' command line. ExitCode says how the program ends.
func Ops(ctx context.Context, p Process) error {
	if err := refuseSecrets(p.Args); err != nil {
		return err
	}
	o := &ops{process: p, now: time.Now}
	root := o.group("ops", "The operators' command line of tillhook",
		"The operators' command line of tillhook. It reads the same environment as the\n"+
			"services: DATABASE_URL, and PAYMENT_CONFIG_ENC_KEY for what opens or seals\n"+
			"secrets.\n\n"+
			"What would change or destroy data prints first what it would do; --commit does\n"+
			"it, and leaves a line in \"AuditEntry\" that says who it was.\n\n"+
			"A secret is never an argument: it is asked for on a hidden prompt, or read with\n"+
			"--stdin.\n\n"+
			"Exit codes:\n"+
			"  0  all is well\n"+
			"  1  a check has found something, or the command has failed\n"+
			"  2  wrong use: a flag, an argument, or a value that can't be right",
		o.migrate(), o.restaurants(), o.secrets(), o.events(), o.orders(), o.audit(), o.backfill(), o.partitions(), o.doctor(), o.probe(), o.admins(), o.shopKeys())
	// cobra doesn't know how wide a terminal is.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", lineWidth)))
	root.Version = Version()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if o.output != "table" && o.output != "json" {
			return misuse("--output %q: want table or json", o.output)
		}
		return nil
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpCommand(helpCommand())
	root.PersistentFlags().StringVarP(&o.output, "output", "o", "table", "how to print: table or json")
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

type ops struct {
	process Process
	now     func() time.Time
	output  string
}

// database opens what DATABASE_URL names, for the length of run.
func (o *ops) database(ctx context.Context, run func(context.Context, *postgres.DB) error) error {
	cfg, err := ReadConfig(o.process.Env, RoleOps)
	if err != nil {
		return err
	}
	return open(ctx, cfg, statementTimeout, run)
}

// history is database for what goes over all there is.
func (o *ops) history(ctx context.Context, run func(context.Context, *postgres.DB) error) error {
	cfg, err := ReadConfig(o.process.Env, RoleOps)
	if err != nil {
		return err
	}
	return open(ctx, cfg, longStatement, run)
}

// vault is database with the keys for the secrets in it. There may be none.
func (o *ops) vault(ctx context.Context, run func(context.Context, *postgres.DB, *secret.Ring) error) error {
	cfg, err := ReadConfig(o.process.Env, RoleOps)
	if err != nil {
		return err
	}
	ring, err := secret.ParseRing(cfg.EncKeys.Reveal())
	if err != nil {
		return fmt.Errorf("PAYMENT_CONFIG_ENC_KEY: %w", err)
	}
	return open(ctx, cfg, statementTimeout, func(ctx context.Context, db *postgres.DB) error { return run(ctx, db, ring) })
}

// sealingVault is vault for what must seal.
func (o *ops) sealingVault(ctx context.Context, run func(context.Context, *postgres.DB, *secret.Ring) error) error {
	return o.vault(ctx, func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
		if len(ring.Fingerprints()) == 0 {
			return errors.New("PAYMENT_CONFIG_ENC_KEY: missing; no secret is stored in the clear.\n" +
				"Use the services' own key, or make the first one with: openssl rand -hex 32")
		}
		return run(ctx, db, ring)
	})
}

const (
	// statementTimeout is longer than any statement of a service may take: an
	// operator may ask for what nobody else asks for.
	statementTimeout = 5 * time.Minute
	// longStatement has room for what goes over all there is, as a migration does.
	longStatement = 24 * time.Hour
	// cutAfter is how long after Ctrl-C a server that is there has time to cancel
	// what is under way.
	cutAfter = 5 * time.Second
	// connectTimeout is an operator's, who comes when the database is busy.
	connectTimeout = 15 * time.Second
)

func open(ctx context.Context, cfg Config, timeout time.Duration, run func(context.Context, *postgres.DB) error) error {
	db, err := postgres.Open(cfg.DatabaseURL.Reveal(), postgres.Options{
		Name: "tillhook ops", ConnectTimeout: connectTimeout, StatementTimeout: timeout,
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	ended := make(chan struct{})
	defer close(ended)
	// lib/pq goes on reading after a cancel, which a server that is gone without a
	// word doesn't answer either.
	defer context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		case <-time.After(cutAfter):
			db.Cut()
		}
	})()
	err = run(ctx, db)
	switch {
	case postgres.SchemaMissing(err):
		return fmt.Errorf("%w\nThe database's schema is missing, or older than this program: ops migrate up", err)
	case err != nil && ctx.Err() == nil && !answers(ctx, db):
		// "connection refused" doesn't say by whom.
		return fmt.Errorf("%w\nPostgres can't be reached, or refuses this DATABASE_URL; see: ops doctor", err)
	}
	return err
}

// answerTimeout is how long a database that a command has failed at is asked
// whether it is there.
const answerTimeout = 3 * time.Second

func answers(ctx context.Context, db *postgres.DB) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return db.PingContext(ctx) == nil
}

// show prints v as JSON, or what table prints.
func (o *ops) show(w io.Writer, v any, table func(io.Writer) error) error {
	if o.output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	}
	return table(w)
}

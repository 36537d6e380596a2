package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
)

// Ops is the operators' command line.
func Ops(ctx context.Context, p Process) error {
	o := &ops{process: p}
	root := &cobra.Command{
		Use:   "ops",
		Short: "The operators' command line of tillhook",
		Long: "The operators' command line of tillhook. It reads the same environment as the services.\n\n" +
			"What would change or destroy data prints first what it would do; --commit does it.",
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if o.output != "table" && o.output != "json" {
				return fmt.Errorf("--output %q: want table or json", o.output)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVarP(&o.output, "output", "o", "table", "how to print: table or json")
	root.AddCommand(o.migrate())
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

type ops struct {
	process Process
	output  string
}

// database opens what DATABASE_URL names, for the length of run.
func (o *ops) database(ctx context.Context, run func(context.Context, *postgres.DB) error) error {
	cfg, err := ReadConfig(o.process.Env, RoleOps)
	if err != nil {
		return err
	}
	// A migration may take longer than any statement of a service.
	db, err := postgres.Open(cfg.DatabaseURL, postgres.Options{Name: "tillhook ops", StatementTimeout: 24 * time.Hour})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	return run(ctx, db)
}

func (o *ops) migrate() *cobra.Command {
	group := &cobra.Command{Use: "migrate", Short: "Bring the database's schema up to date, or look at it"}
	var commit bool
	up := &cobra.Command{
		Use: "up", Short: "Apply every pending migration", Args: cobra.NoArgs,
		Long: "Applies every pending migration, under a lock, so that several may start at once.\n" +
			"It only adds, and does nothing when the schema is up to date.",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				done, err := db.MigrateUp(ctx)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), done, "The schema is up to date.", "Applied")
			})
		},
	}
	down := &cobra.Command{
		Use: "down", Short: "Take back the newest migration, with its data (needs --commit)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				return o.migrateDown(ctx, c.OutOrStdout(), db, commit)
			})
		},
	}
	down.Flags().BoolVar(&commit, "commit", false, "do it; otherwise only say what would be done")
	status := &cobra.Command{
		Use: "status", Short: "List the migrations and when each was applied", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				all, err := db.MigrationStatus(ctx)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), all, "There are no migrations.", "")
			})
		},
	}
	group.AddCommand(up, down, status)
	return group
}

func (o *ops) migrateDown(ctx context.Context, w io.Writer, db *postgres.DB, commit bool) error {
	if commit {
		done, err := db.MigrateDown(ctx)
		if err != nil {
			return err
		}
		return o.print(w, done, "There is nothing to take back.", "Taken back")
	}
	all, err := db.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	var newest []postgres.Migration
	for _, m := range all {
		if m.AppliedAt != nil {
			newest = []postgres.Migration{m}
		}
	}
	return o.print(w, newest, "There is nothing to take back.", "Would take back, with all data in its tables (add --commit)")
}

// print writes migrations as a table with a heading, or as JSON.
func (o *ops) print(w io.Writer, all []postgres.Migration, none, heading string) error {
	if o.output == "json" {
		if all == nil {
			all = []postgres.Migration{}
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, none)
		return err
	}
	if heading != "" {
		fmt.Fprintln(w, heading+":")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERSION\tMIGRATION\tAPPLIED")
	for _, m := range all {
		applied := "pending"
		if m.AppliedAt != nil {
			applied = m.AppliedAt.UTC().Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(t, "%d\t%s\t%s\n", m.Version, m.Name, applied)
	}
	return t.Flush()
}

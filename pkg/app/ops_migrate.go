package app

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
)

func (o *ops) migrate() *cobra.Command {
	var commit bool
	up := &cobra.Command{
		Use: "up", Short: "Apply every pending migration", Args: takes(),
		Long: "Applies every pending migration, under a lock, so that several may start at\n" +
			"once. It only adds, and does nothing when the schema is up to date.",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.history(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				done, err := db.MigrateUp(ctx)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), done, "The schema is up to date.", "Applied")
			})
		},
	}
	down := &cobra.Command{
		Use: "down", Short: "Take back the newest migration, with its data (needs --commit)", Args: takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.history(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				return o.migrateDown(ctx, c.OutOrStdout(), db, commit)
			})
		},
	}
	down.Flags().BoolVar(&commit, "commit", false, "do it; otherwise only say what would be done")
	status := &cobra.Command{
		Use: "status", Short: "List the migrations and when each was applied", Args: takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.history(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				all, err := db.MigrationStatus(ctx)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), all, "There are no migrations.", "")
			})
		},
	}
	return o.group("migrate", "Bring the database's schema up to date, or look at it", "", up, down, status)
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
	if all == nil {
		all = []postgres.Migration{} // in JSON an empty list, not null
	}
	return o.show(w, all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, none)
			return err
		}
		if heading != "" {
			fmt.Fprintln(w, heading+":")
		}
		t := table{columns: []string{"VERSION", "MIGRATION", "APPLIED"}, right: []int{0}}
		for _, m := range all {
			applied := "pending"
			if m.AppliedAt != nil {
				applied = clockTime(*m.AppliedAt)
			}
			t.add(fmt.Sprint(m.Version), m.Name, applied)
		}
		return t.write(w)
	})
}

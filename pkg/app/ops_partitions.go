package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

func (o *ops) partitions() *cobra.Command {
	return o.group("partitions", "List the weeks that events are stored in, and drop old ones", "",
		o.listPartitions(), o.dropPartitions())
}

// shownPartition is a partition and what will become of it.
type shownPartition struct {
	Name       string     `json:"name"`
	From       *time.Time `json:"from"` // by Stripe's "created"; null for the default partition
	To         *time.Time `json:"to"`
	Rows       *int64     `json:"rows"` // estimated, null when nobody has counted yet
	Bytes      int64      `json:"bytes"`
	Unfinished int        `json:"unfinished"`
	DropAfter  *time.Time `json:"dropAfter"` // null: never as a whole
	Expired    bool       `json:"expired"`
	span       string     // until DropAfter
}

func newShownPartition(p event.Partition, retention time.Duration, horizon, now time.Time) shownPartition {
	s := shownPartition{Name: p.Name, Bytes: p.Bytes, Unfinished: p.Unfinished, Expired: p.Expired(horizon)}
	if p.Rows >= 0 {
		s.Rows = &p.Rows
	}
	if p.To.IsZero() {
		return s
	}
	after := p.To.Add(retention)
	s.From, s.To, s.DropAfter = utc(&p.From), utc(&p.To), utc(&after)
	s.span = left(after.Sub(now))
	return s
}

// due says in one word or two when the partition goes.
func (s shownPartition) due() string {
	switch {
	case s.DropAfter == nil:
		return "-"
	case s.Expired && s.Unfinished > 0:
		return "held"
	case s.Expired:
		return "due"
	}
	return "in " + s.span
}

func (o *ops) listPartitions() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the partitions of \"WebhookEvent\", oldest first", Args: takes(),
		Long: "Lists the partitions of \"WebhookEvent\". ROWS are estimated, OPEN are the events\n" +
			"that are unfinished. GOES says when the workers' janitor drops one, if they have\n" +
			"the same EVENT_RETENTION as this command: held is past its time, but has open\n" +
			"events. The default partition takes events of absurd times, and never goes as a\n" +
			"whole.",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.retention(c.Context(), func(ctx context.Context, db *postgres.DB, retention time.Duration) error {
				all, _, err := o.readPartitions(ctx, db, retention)
				if err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), all, func(w io.Writer) error { return writePartitions(w, all) })
			})
		},
	}
}

// retention opens the database, and says how long events are kept.
func (o *ops) retention(ctx context.Context, run func(context.Context, *postgres.DB, time.Duration) error) error {
	cfg, err := ReadConfig(o.process.Env, RoleOps)
	if err != nil {
		return err
	}
	return open(ctx, cfg, longStatement, func(ctx context.Context, db *postgres.DB) error { return run(ctx, db, cfg.EventRetention) })
}

func (o *ops) readPartitions(ctx context.Context, db *postgres.DB, retention time.Duration) ([]shownPartition, time.Time, error) {
	found, clocks, err := db.Partitions(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	horizon := clocks.Horizon(o.now(), retention)
	all := make([]shownPartition, len(found))
	for i, p := range found {
		all[i] = newShownPartition(p, retention, horizon, clocks.Database)
	}
	return all, horizon, nil
}

func writePartitions(w io.Writer, all []shownPartition) error {
	t := table{columns: []string{"PARTITION", "FROM", "TO", "ROWS", "SIZE", "OPEN", "GOES"}, right: []int{3, 4, 5}, elastic: -1}
	for _, p := range all {
		from, to, rows := "-", "-", "?"
		if p.From != nil {
			from, to = p.From.Format(time.DateOnly), p.To.Format(time.DateOnly)
		}
		if p.Rows != nil {
			rows = fmt.Sprint(*p.Rows)
		}
		t.add(p.Name, from, to, rows, size(p.Bytes), fmt.Sprint(p.Unfinished), p.due())
	}
	return t.write(w)
}

// size is a number of bytes in the largest unit of which there are a few.
func size(bytes int64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if bytes < 10_000 {
			return fmt.Sprintf("%d %s", bytes, unit)
		}
		bytes /= 1024
	}
	return fmt.Sprintf("%d TB", bytes)
}

func (o *ops) dropPartitions() *cobra.Command {
	var w writing
	var limit int
	c := &cobra.Command{
		Use: "drop", Short: "Drop the weeks that are past EVENT_RETENTION (needs --commit)", Args: takes(),
		Long: "Drops what the workers' janitor would drop over time: weeks of events that are\n" +
			"past EVENT_RETENTION, oldest first, with all their rows. One that holds\n" +
			"unfinished events stays: see \"ops events list --status PROCESSING\". It gives up\n" +
			"rather than wait for a table that somebody holds; then repeat it.",
		Example: "  ops partitions drop\n  ops partitions drop --limit 20 --commit",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 {
				return misuse("--limit: want a positive number")
			}
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.retention(c.Context(), func(ctx context.Context, db *postgres.DB, retention time.Duration) error {
				d := droppedPartitions{written: begun, Partitions: []shownPartition{}}
				failed := o.drop(ctx, db, retention, limit, &d)
				if failed != nil && len(d.Partitions) == 0 {
					return failed
				}
				// What is gone is said, whatever came after it.
				if err := o.show(c.OutOrStdout(), d, d.table); err != nil {
					return err
				}
				return failed
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 4, "no more than so many, the oldest")
	w.flags(c)
	return c
}

// droppedPartitions is the answer of a drop.
type droppedPartitions struct {
	written
	Partitions []shownPartition `json:"partitions"` // that were dropped, or would be
}

func (o *ops) drop(ctx context.Context, db *postgres.DB, retention time.Duration, limit int, d *droppedPartitions) error {
	all, horizon, err := o.readPartitions(ctx, db, retention)
	if err != nil {
		return err
	}
	later := 0
	for _, p := range all {
		switch {
		case !p.Expired:
			continue
		case p.Unfinished > 0:
			d.warn("%s stays: it holds %s.", p.Name, plural(p.Unfinished, "unfinished event"))
			continue
		case len(d.Partitions) == limit:
			later++
			continue
		}
		if d.Committed {
			kept, err := db.DropPartitionAs(ctx, d.by(), p.Name, horizon)
			if err != nil {
				return err
			}
			if kept != "" { // since it was listed
				d.warn("%s stays: %s.", p.Name, kept)
				continue
			}
		}
		d.Partitions = append(d.Partitions, p)
	}
	if later > 0 {
		d.warn("%s more past retention (--limit).", plural(later, "partition"))
	}
	return nil
}

func (d droppedPartitions) table(w io.Writer) error {
	if len(d.Partitions) == 0 {
		fmt.Fprintln(w, "There is no partition to drop.")
		return d.endOf(0, w)
	}
	fmt.Fprintf(w, "%s %s:\n\n", d.verb("drop", "Dropped"), plural(len(d.Partitions), "partition"))
	if err := writePartitions(w, d.Partitions); err != nil {
		return err
	}
	return d.end(w)
}

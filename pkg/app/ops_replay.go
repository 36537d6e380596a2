package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// replayPreview is how many events a preview names.
const replayPreview = 20

func (o *ops) replayEvents() *cobra.Command {
	var f eventFlags
	var w writing
	c := &cobra.Command{
		Use: "replay [EVENT ...]", Short: "Put finished events through the worker again (needs --commit)",
		Long: "Puts events that are COMPLETED or FAILED through the worker again, each with all\n" +
			"its attempts: those that are named, or those that the flags find. Whatever an\n" +
			"event has done already it doesn't do twice. What is still PROCESSING needs no\n" +
			"replay, and what was never verified can't have one.\n\n" +
			"With REDIS_URL set they are queued at once, else the workers' recoverer does.",
		Example: "  ops events replay evt_1Nabc --commit\n  ops events replay --status FAILED --since 24h",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && f.status == "" && f.eventType == "" && f.restaurant == "" && f.order == "" && f.since == "" {
				return misuse("want: %s EVENT ..., or flags that say which; see: %s --help", c.CommandPath(), c.CommandPath())
			}
			filter, err := f.filter(o.now(), args)
			if err != nil {
				return err
			}
			answer, err := o.begin(c, w)
			if err != nil {
				return err
			}
			tasks, err := o.tasks()
			if err != nil {
				return err
			}
			defer tasks.close()
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				return o.replay(ctx, c.OutOrStdout(), db, tasks, filter, replayed{written: answer})
			})
		},
	}
	f.add(c, 1000)
	w.flags(c)
	return c
}

// replayed is the answer of a replay.
type replayed struct {
	written
	Events  []string `json:"events"`  // our ids of those that were replayed, or would be
	Skipped int      `json:"skipped"` // found, but neither COMPLETED nor FAILED
	Queued  int      `json:"queued"`
	all     []postgres.Event
}

func (o *ops) replay(ctx context.Context, w io.Writer, db *postgres.DB, tasks opsTasks, filter postgres.EventFilter, r replayed) error {
	var err error
	if filter.Restaurant, err = restaurantID(ctx, db, filter.Restaurant); err != nil {
		return err
	}
	found, err := db.Events(ctx, filter)
	if err != nil {
		return err
	}
	if len(filter.IDs) == 0 { // those that are named are told one by one, after the others are done
		missing, err := unknown(ctx, db, filter, found)
		if err = cmp.Or(err, missing); err != nil {
			return err
		}
	}
	r.Events = []string{}
	for _, e := range found {
		if event.Status(e.Status).Replayable() {
			r.Events, r.all = append(r.Events, e.ID), append(r.all, e)
		} else {
			r.Skipped++
		}
	}
	if len(found) == filter.Limit {
		r.warn("there may be more: these are the newest %d (--limit)", filter.Limit)
	}
	if r.Committed && len(r.Events) > 0 {
		again, err := db.ReplayEvents(ctx, r.by(), r.Events)
		if err != nil {
			return err
		}
		if r.Queued, err = tasks.requeue(ctx, again); err != nil {
			r.warn("not all are queued, the recoverer will: %v", err)
		}
	}
	if err := o.show(w, r, func(w io.Writer) error { return o.writeReplay(w, r) }); err != nil {
		return err
	}
	return r.fault(filter.IDs, found)
}

// fault is the error of a replay that leaves out an event which was named.
func (r replayed) fault(named []string, found []postgres.Event) error {
	for _, name := range named {
		is := func(e postgres.Event) bool { return e.ID == name || e.ProviderEventID == name }
		if slices.ContainsFunc(r.all, is) {
			continue
		}
		i := slices.IndexFunc(found, is)
		if i < 0 {
			return fmt.Errorf("there is no such event: %s", name)
		}
		return fmt.Errorf("%s is %s, and has no replay", name, found[i].Status)
	}
	return nil
}

func (o *ops) writeReplay(w io.Writer, r replayed) error {
	if len(r.Events)+r.Skipped == 0 {
		fmt.Fprintln(w, "No event is like that.")
		return r.endOf(0, w)
	}
	fmt.Fprintf(w, "%s %s", r.verb("replay", "Replayed"), plural(len(r.Events), "event"))
	if r.Skipped > 0 {
		fmt.Fprintf(w, "; %d more neither COMPLETED nor FAILED", r.Skipped)
	}
	if r.Committed && len(r.Events) > 0 {
		fmt.Fprintf(w, "; %d queued", r.Queued)
		if r.Queued < len(r.Events) {
			fmt.Fprint(w, ", the rest are left to the recoverer")
		}
	}
	fmt.Fprintln(w, ".")
	if len(r.all) > 0 {
		fmt.Fprintln(w)
		if err := o.writeEvents(w, r.all[:min(len(r.all), replayPreview)]); err != nil {
			return err
		}
	}
	if more := len(r.all) - replayPreview; more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
	return r.endOf(len(r.Events), w)
}

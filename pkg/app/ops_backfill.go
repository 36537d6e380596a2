package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/queue"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
	"tillhook/pkg/worker"
)

// sayEvery is how many slices of an hour go by between two signs of life.
const sayEvery = 24

// backfilled is the answer of a backfill.
type backfilled struct {
	written
	Since       time.Time       `json:"since"`
	Until       time.Time       `json:"until"`
	Restaurants []backfilledOne `json:"restaurants"`
	Total       worker.Tally    `json:"total"`
	Interrupted bool            `json:"interrupted"`
	Skipped     int             `json:"withoutApiKey"` // restaurants that can't be asked for
	failed      int
}

// backfilledOne is one restaurant's.
type backfilledOne struct {
	RestaurantID string `json:"restaurantId"`
	Slug         string `json:"slug"`
	worker.Tally
	ResumedFrom *time.Time `json:"resumedFrom,omitempty"` // up to there an interrupted command had come
	Error       string     `json:"error,omitempty"`
}

func (o *ops) backfill() *cobra.Command {
	var w writing
	var since, until, restaurant string
	c := &cobra.Command{
		Use: "backfill --since TIME", Short: "Fetch events from Stripe that never reached us (needs --commit)", Args: takes(),
		Long: "Asks Stripe for the events of a time, of every restaurant with an API key, and\n" +
			"stores and queues those that were never delivered. What is stored already is\n" +
			"counted and left alone. Stripe has the events of the last 30 days, no more.\n\n" +
			"Ctrl-C stops it; the same command with --commit goes on where it was. With\n" +
			"REDIS_URL set the events are queued at once, else the workers' recoverer does.",
		Example: "  ops backfill --since 6h\n" +
			"  ops backfill --since 6h --commit\n" +
			"  ops backfill --since 2026-01-31T18:00:00Z --until 2h --restaurant roma",
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := o.beginBackfill(c, w, since, until)
			if err != nil {
				return err
			}
			return o.asking(c.Context(), func(ctx context.Context, db *postgres.DB, api *stripe.API, tasks opsTasks) error {
				b := &backfilling{db: db, api: api, intake: newIntake(db, tasks.Queue), progress: o.process.Stderr, answer: a}
				if err := b.run(ctx, restaurant); err != nil {
					return err
				}
				if err := o.show(c.OutOrStdout(), b.answer, b.answer.table); err != nil {
					return err
				}
				return b.answer.fault()
			})
		},
	}
	w.flags(c)
	c.Flags().StringVar(&since, "since", "", "events since then: 6h ago, or a `time` such as 2026-01-31T18:00:00Z")
	c.Flags().StringVar(&until, "until", "", "events before then, a `time` likewise (default now)")
	c.Flags().StringVar(&restaurant, "restaurant", "", "only this restaurant's, by slug or id")
	return c
}

func (o *ops) beginBackfill(c *cobra.Command, w writing, since, until string) (backfilled, error) {
	now := o.now()
	a := backfilled{Restaurants: []backfilledOne{}, Until: now}
	if since == "" {
		return a, misuse("want: %s --since TIME; see: %s --help", c.CommandPath(), c.CommandPath())
	}
	var err error
	if a.Since, err = pointInTime("--since", since, now); err != nil {
		return a, err
	}
	if until != "" {
		if a.Until, err = pointInTime("--until", until, now); err != nil {
			return a, err
		}
	}
	if a.Since.Before(now.Add(-worker.BackfillReach)) {
		return a, misuse("--since: Stripe has the events of the last 30 days (720h), no more")
	}
	if !a.Since.Before(a.Until) || a.Until.After(now) {
		return a, misuse("--until: want a time after --since, and not in the future")
	}
	a.Since, a.Until = a.Since.UTC().Truncate(time.Second), a.Until.UTC().Truncate(time.Second)
	a.written, err = o.begin(c, w)
	return a, err
}

// asking is vault with Stripe, and with the queue if REDIS_URL is set.
func (o *ops) asking(ctx context.Context, run func(context.Context, *postgres.DB, *stripe.API, opsTasks) error) error {
	return o.vault(ctx, func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
		cfg, err := o.config()
		if err != nil {
			return err
		}
		tasks, err := o.tasks()
		if err != nil {
			return err
		}
		defer tasks.close()
		api := openAPI(cfg, db, ring, nil)
		defer api.Close()
		return run(ctx, db, api, tasks)
	})
}

// newIntake leaves queuing to the recoverer without a queue.
func newIntake(db *postgres.DB, tasks *queue.Queue) *worker.Intake {
	if tasks == nil {
		return worker.NewIntake(db, nil)
	}
	return worker.NewIntake(db, tasks)
}

// backfilling is one such command under way.
type backfilling struct {
	db       *postgres.DB
	api      *stripe.API
	intake   *worker.Intake
	progress io.Writer
	answer   backfilled
}

// run goes through the restaurants. What fails for one is its own: the others
// have their turn.
func (b *backfilling) run(ctx context.Context, name string) error {
	a := &b.answer
	all := []postgres.Restaurant{{}}
	var err error
	if name != "" {
		all[0], err = one(ctx, b.db, name)
	} else {
		all, err = b.db.FindRestaurants(ctx, "")
	}
	if err != nil {
		return err
	}
	for _, r := range all {
		if name != "" && r.APIKey == "" {
			return fmt.Errorf("%s has no API key: ops secrets set-api-key %s --commit", r.Slug, r.Slug)
		}
		if name != "" && !r.Active {
			return fmt.Errorf("the configuration of %s is not active", r.Slug)
		}
		if r.APIKey == "" || !r.Active {
			a.Skipped++
			continue
		}
		one := backfilledOne{RestaurantID: r.ID, Slug: r.Slug}
		err := b.restaurant(ctx, &one)
		a.Interrupted = ctx.Err() != nil
		if err != nil && !a.Interrupted {
			one.Error = err.Error()
			a.failed++
		}
		a.Total.Add(one.Tally)
		a.Restaurants = append(a.Restaurants, one)
		if a.Interrupted {
			break
		}
	}
	if len(a.Restaurants) == 0 {
		a.warn("No restaurant has an API key that is in use: ops secrets set-api-key RESTAURANT --commit")
	}
	return nil
}

// restaurant goes on where an interrupted command was, if that has begun no
// later than this one wants to.
func (b *backfilling) restaurant(ctx context.Context, one *backfilledOne) error {
	a := &b.answer
	span, take := worker.Span{Since: a.Since, Until: a.Until}, b.look
	begun := a.Since
	if a.Committed {
		take = b.take
		was, err := b.db.ResumeBackfill(ctx, one.RestaurantID)
		if err != nil {
			return err
		}
		if !was.Since.IsZero() && !was.Since.After(a.Since) && was.Until.After(a.Since) && was.Until.Before(a.Until) {
			span.Since, begun, one.ResumedFrom = was.Until, was.Since, utc(&was.Until)
		}
	}
	slices := 0
	var err error
	one.Tally, err = worker.Backfill(ctx, b.api, one.RestaurantID, span, take, func(until time.Time, found worker.Tally) error {
		if slices++; slices%sayEvery == 0 {
			fmt.Fprintf(b.progress, "%s: looked at everything until %s\n", one.Slug, clockTime(until))
		}
		if !a.Committed {
			return nil
		}
		return b.db.NoteBackfill(ctx, one.RestaurantID, postgres.Covered{Since: begun, Until: until})
	})
	if err == nil && a.Committed {
		err = b.db.EndBackfill(ctx, one.RestaurantID)
	}
	if a.Committed && one.New > 0 { // interrupted or not, they are there
		detail := fmt.Sprintf("%s of %s to %s", plural(one.New, "event"), clockTime(span.Since), clockTime(span.Until))
		err = errors.Join(err, b.db.Note(context.WithoutCancel(ctx), a.by(), one.RestaurantID, one.RestaurantID, detail))
	}
	if err == nil {
		fmt.Fprintf(b.progress, "%s: done, %s, %d new\n", one.Slug, plural(one.Seen, "event"), one.New)
	}
	return err
}

func (b *backfilling) take(ctx context.Context, id string, heard []event.Heard) (worker.Tally, error) {
	return b.intake.Take(ctx, id, event.Backfilled, heard)
}

func (b *backfilling) look(ctx context.Context, id string, heard []event.Heard) (worker.Tally, error) {
	_, tally, err := b.intake.Sort(ctx, id, event.Backfilled, heard)
	return tally, err
}

func (a backfilled) fault() error {
	switch {
	case a.Interrupted && a.Committed:
		return errors.New("interrupted; the same command goes on where it was")
	case a.Interrupted:
		return errors.New("interrupted; nothing was changed")
	case a.failed > 0:
		return fmt.Errorf("%s can't be asked for", plural(a.failed, "restaurant"))
	}
	return nil
}

func (a backfilled) table(w io.Writer) error {
	fmt.Fprintf(w, "%s %s that had never reached us, of %s at Stripe\nfrom %s to %s.\n", a.verb("store", "Stored"),
		plural(a.Total.New, "event"), fmt.Sprint(a.Total.Seen), clockTime(a.Since), clockTime(a.Until))
	if len(a.Restaurants) > 0 {
		fmt.Fprintln(w)
		t := table{columns: []string{"RESTAURANT", "AT STRIPE", "KNOWN", "FOREIGN", "UNREADABLE", "NEW"}, right: []int{1, 2, 3, 4, 5}, elastic: -1}
		for _, r := range a.Restaurants {
			t.add(r.Slug, fmt.Sprint(r.Seen), fmt.Sprint(r.Known), fmt.Sprint(r.Foreign), fmt.Sprint(r.Unreadable), fmt.Sprint(r.New))
		}
		if err := t.write(w); err != nil {
			return err
		}
	}
	for _, r := range a.Restaurants {
		if r.ResumedFrom != nil {
			writeHanging(w, "  ", fmt.Sprintf("%s: went on from %s, where an interrupted command was", r.Slug, clockTime(*r.ResumedFrom)))
		}
		if r.Error != "" {
			writeHanging(w, "! ", r.Slug+": "+r.Error)
		}
	}
	return a.endOf(a.Total.New, w)
}

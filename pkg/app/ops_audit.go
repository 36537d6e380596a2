package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

func (o *ops) audit() *cobra.Command {
	var w writing
	var restaurant, since, until string
	var repair, strict bool
	c := &cobra.Command{
		Use: "audit", Short: "Compare orders and payments with the stored events", Args: takes(),
		Long: "Folds every stored event anew, beginning from nothing, and compares what comes\n" +
			"out with the orders and payments. Prints each difference; the exit code is 1 if\n" +
			"there is one. The services may go on running: an order with an event under way\n" +
			"is left out and counted.\n\n" +
			"What an operator has settled by hand is printed, and counts only with --strict.\n" +
			"An order that is older than the oldest events still stored may know more than\n" +
			"they say.\n\n" +
			"With --repair --commit, orders and payments are written as their events say, and\n" +
			"events that ended wrongly are replayed. What no event explains stays as it is:\n" +
			"a human must look.",
		Example: "  ops audit\n  ops audit --restaurant pizzeria-roma --since 24h\n  ops audit --repair --commit",
		RunE: func(c *cobra.Command, _ []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			if w.commit && !repair {
				return misuse("--commit: an audit changes nothing; want --repair --commit")
			}
			scope, err := auditRange(since, until, o.now())
			if err != nil {
				return err
			}
			var tasks opsTasks
			if repair {
				if tasks, err = o.tasks(); err != nil {
					return err
				}
				defer tasks.close()
			}
			return o.history(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				if scope.RestaurantID, err = restaurantID(ctx, db, restaurant); err != nil {
					return err
				}
				r, err := o.runAudit(ctx, db, scope, begun)
				if err != nil {
					return err
				}
				var failed error
				if repair && w.commit {
					failed = mend(ctx, db, tasks, &r)
				}
				// What was mended is said, whatever came after it.
				if err := o.show(c.OutOrStdout(), r, func(w io.Writer) error { return r.table(w, repair) }); err != nil {
					return err
				}
				return cmp.Or(failed, r.verdict(strict))
			})
		},
	}
	c.Flags().StringVar(&restaurant, "restaurant", "", "only this restaurant's, by slug or id")
	c.Flags().StringVar(&since, "since", "", "only orders made and events stored since then: 6h ago, or a `time`")
	c.Flags().StringVar(&until, "until", "", "only orders made and events stored before then, a `time` likewise")
	c.Flags().BoolVar(&repair, "repair", false, "mend what the events explain (needs --commit)")
	c.Flags().BoolVar(&strict, "strict", false, "count what was settled by hand as a difference")
	w.flags(c)
	return c
}

func auditRange(since, until string, now time.Time) (s postgres.AuditScope, err error) {
	if s.Since, err = pointInTime("--since", since, now); err != nil {
		return s, err
	}
	s.Until, err = pointInTime("--until", until, now)
	return s, err
}

// restaurantID is the id of the restaurant of that slug or id, "" for "".
func restaurantID(ctx context.Context, db *postgres.DB, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	r, err := one(ctx, db, name)
	return r.ID, err
}

func (o *ops) runAudit(ctx context.Context, db *postgres.DB, scope postgres.AuditScope, begun written) (audited, error) {
	size, err := db.AuditSize(ctx, scope)
	if err != nil {
		return audited{}, err
	}
	a := &auditing{db: db, scope: scope, answer: audited{
		written: begun, Received: map[string]int64{}, Refunded: map[string]int64{},
		Differences: []order.Difference{}, recompute: map[string]orderFold{}, restaurants: map[string]string{},
	}}
	a.progress = newProgress(o.process.Stderr, size.Orders+size.Unplaced, "orders and other events")
	err = a.run(ctx)
	a.progress.end()
	if err != nil {
		return a.answer, fmt.Errorf("after %s: %w", plural(a.answer.Orders, "order"), err)
	}
	if len(a.answer.restaurants) > 0 {
		a.answer.slugs, err = slugs(ctx, db)
	}
	return a.answer, err
}

// verdict is the error that makes the exit code 1.
func (r audited) verdict(strict bool) error {
	open := r.Count - r.Mended
	if strict {
		open += r.ByHand
	}
	if open == 0 {
		return nil
	}
	return fmt.Errorf("%s", plural(open, "difference"))
}

func (r audited) table(w io.Writer, repair bool) error {
	fmt.Fprintf(w, "Compared %s with %s in %s.\n", plural(r.Orders, "order"), plural(r.Events, "event"),
		time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	facts := []fact{{"received", amounts(r.Received)}, {"refunded", amounts(r.Refunded)}, {"differences", fmt.Sprint(r.Count)}}
	if r.ByHand > 0 {
		facts = append(facts, fact{"by hand", fmt.Sprintf("%d, settled by an operator and left so", r.ByHand)})
	}
	if r.Unfinished > 0 {
		facts = append(facts, fact{"left out", plural(r.Unfinished, "order") + " with an event under way"})
	}
	writeFacts(w, facts)
	last := ""
	for _, d := range r.Differences {
		if head := cmp.Or(d.OrderID, "no order"); head != last {
			last = head
			fmt.Fprintln(w)
			writeHanging(w, "", ofRestaurant(head, r.slugs[r.restaurants[d.OrderID]]))
		}
		writeHanging(w, "  ", subject(d)+d.Text)
	}
	if more := r.Count + r.ByHand - len(r.Differences); more > 0 {
		fmt.Fprintf(w, "\n… and %d more\n", more)
	}
	if !repair || len(r.recompute)+len(r.replay)+len(r.Left) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s %s, %s %s.\n", r.verb("recompute", "Recomputed"), plural(len(r.recompute), "order"),
		strings.ToLower(r.verb("replay", "Replayed")), plural(len(r.replay), "event"))
	return r.end(w)
}

// subject is what a difference is of, besides the order.
func subject(d order.Difference) string {
	switch {
	case d.EventID != "":
		return "event " + d.EventID + ": "
	case d.PaymentID != "":
		return "payment " + d.PaymentID + ": "
	}
	return ""
}

// amounts is money by currency.
func amounts(byCurrency map[string]int64) string {
	var all []string
	for _, currency := range slices.Sorted(maps.Keys(byCurrency)) {
		all = append(all, money(byCurrency[currency], currency))
	}
	return cmp.Or(strings.Join(all, ", "), "nothing")
}

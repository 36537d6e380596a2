package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripe"
	"tillhook/pkg/worker"
)

// stuckPage is how many stuck orders are held in memory.
const stuckPage = 100

// reconciled is the answer of "orders reconcile".
type reconciled struct {
	written
	Orders      []reconciledOrder `json:"orders"`
	Explained   int               `json:"explained"` // for which there is something to apply
	Unexplained int               `json:"unexplained"`
	Events      int               `json:"events"` // stored, or to be stored
	Failed      int               `json:"failed"` // that could not be looked up
	Interrupted bool              `json:"interrupted"`
}

// reconciledOrder is one order, and what Stripe has of it.
type reconciledOrder struct {
	OrderID string   `json:"orderId"`
	Slug    string   `json:"slug"` // of its restaurant
	Says    string   `json:"stripeSays,omitempty"`
	Known   int      `json:"known"`             // events that were stored before
	Changes []string `json:"changes,omitempty"` // what the new ones do, one for each
	Error   string   `json:"error,omitempty"`
}

func (o *ops) reconcileOrders() *cobra.Command {
	var w writing
	var stuck bool
	var older time.Duration
	var restaurant string
	c := &cobra.Command{
		Use: "reconcile [ORDER ...]", Short: "Compare pending orders with Stripe's record (needs --commit)",
		Long: "Asks Stripe about the payments of orders that are PAYMENT_PENDING: those that\n" +
			"are named, or with --stuck all that wait for too long. What Stripe has is stored\n" +
			"as an event and worked off like any other; without --commit it says what would\n" +
			"change. An order for which Stripe has nothing new stays as it is.",
		Example: "  ops orders reconcile order-1\n  ops orders reconcile --stuck --older 1h --commit",
		RunE: func(c *cobra.Command, args []string) error {
			if older <= 0 {
				return misuse("--older: want a positive time, such as 30m or 2h")
			}
			if stuck == (len(args) > 0) {
				return misuse("want: %s ORDER ..., or --stuck; see: %s --help", c.CommandPath(), c.CommandPath())
			}
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.asking(c.Context(), func(ctx context.Context, db *postgres.DB, api *stripe.API, tasks opsTasks) error {
				r := &reconciling{db: db, api: api, intake: newIntake(db, tasks.Queue), progress: o.process.Stderr,
					answer: reconciled{written: begun, Orders: []reconciledOrder{}}}
				switch r.slugs, err = slugs(ctx, db); {
				case err != nil:
				case stuck:
					err = r.stuck(ctx, older, restaurant)
				default:
					err = r.named(ctx, args)
				}
				if r.answer.Interrupted = ctx.Err() != nil; r.answer.Interrupted {
					err = nil // which is what ctx makes of whatever is under way
				}
				if err != nil && len(r.answer.Orders) == 0 {
					return err
				}
				// What was done is said, whatever came after it.
				if err := o.show(c.OutOrStdout(), r.answer, r.answer.table); err != nil {
					return err
				}
				return cmp.Or(err, r.answer.fault())
			})
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&stuck, "stuck", false, "all orders that wait for too long")
	c.Flags().DurationVar(&older, "older", 30*time.Minute, "with --stuck: only those that are pending for longer")
	c.Flags().StringVar(&restaurant, "restaurant", "", "with --stuck: only this restaurant's, by slug or id")
	return c
}

type reconciling struct {
	db       *postgres.DB
	api      *stripe.API
	intake   *worker.Intake
	progress io.Writer
	slugs    map[string]string // by restaurant's id
	answer   reconciled
}

// stuck goes through the stuck orders page by page.
func (r *reconciling) stuck(ctx context.Context, older time.Duration, restaurant string) error {
	id, err := restaurantID(ctx, r.db, restaurant)
	if err != nil {
		return err
	}
	var last postgres.StuckOrder
	for ctx.Err() == nil {
		page, err := r.db.StuckOrders(ctx, older, id, last, stuckPage)
		if err != nil || len(page) == 0 {
			return err
		}
		ids := make([]string, len(page))
		for i, s := range page {
			ids[i] = s.ID
		}
		if err := r.orders(ctx, ids); err != nil {
			return err
		}
		last = page[len(page)-1]
		fmt.Fprintf(r.progress, "%s looked up\n", plural(len(r.answer.Orders), "order"))
	}
	return nil
}

// named looks up the orders that an operator has named.
func (r *reconciling) named(ctx context.Context, ids []string) error {
	for _, id := range ids {
		story, err := r.db.OrderStory(ctx, id)
		if err != nil {
			return err
		}
		if story.Status != string(order.PaymentPending) {
			return fmt.Errorf("order %s is %s, not %s", id, story.Status, order.PaymentPending)
		}
	}
	return r.orders(ctx, ids)
}

func (r *reconciling) orders(ctx context.Context, ids []string) error {
	pending, err := r.db.PendingOrders(ctx, ids)
	if err != nil {
		return err
	}
	a := &r.answer
	for _, p := range pending {
		one := reconciledOrder{OrderID: p.OrderID, Slug: r.slugs[p.RestaurantID]}
		err := r.order(ctx, p, &one)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			one.Error = err.Error()
			a.Failed++
		case len(one.Changes) > 0:
			a.Explained++
		default:
			a.Unexplained++
		}
		a.Orders = append(a.Orders, one)
	}
	return nil
}

func (r *reconciling) order(ctx context.Context, p event.Pending, one *reconciledOrder) error {
	answer, err := worker.LookUp(ctx, r.api, p)
	if err != nil {
		return err
	}
	one.Says = answer.Says
	records, tally, err := r.intake.Sort(ctx, p.RestaurantID, event.Reconciled, answer.Heard)
	if err != nil {
		return err
	}
	if one.Changes, err = r.foresee(ctx, records); err != nil {
		return err
	}
	if r.answer.Committed {
		if tally, err = r.intake.Take(ctx, p.RestaurantID, event.Reconciled, answer.Heard); err != nil {
			return err
		}
		if tally.New > 0 {
			err = r.db.Note(context.WithoutCancel(ctx), r.answer.by(), p.RestaurantID, p.OrderID, plural(tally.New, "event")+" stored")
		}
	}
	one.Known = tally.Known
	r.answer.Events += tally.New
	return err
}

// foresee says what the events will do once they are worked off.
func (r *reconciling) foresee(ctx context.Context, records []event.Record) ([]string, error) {
	entries, changes := make([]order.Entry, len(records)), make([]string, len(records))
	for i, rec := range records {
		contribution, err := stripe.Decode(rec.Type, rec.Payload)
		if err != nil {
			return nil, err
		}
		entries[i] = order.Entry{EventID: rec.ID, Type: rec.Type, RestaurantID: rec.RestaurantID, Livemode: rec.Livemode, Contribution: contribution}
	}
	results, err := r.db.Foresee(ctx, entries)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		changes[i] = records[i].Type + ": "
		t := result.Transition
		if t != nil {
			changes[i] += fmt.Sprintf("order %s → %s, payment %s → %s", t.OrderFrom, t.OrderTo, t.PaymentFrom, t.PaymentTo)
		}
		switch {
		case result.Err != nil && t != nil:
			changes[i] += "; " + result.Err.Error()
		case result.Err != nil:
			changes[i] += result.Err.Error()
		case t == nil:
			changes[i] += "no change of a state"
		}
	}
	return changes, nil
}

func (a reconciled) fault() error {
	switch {
	case a.Interrupted:
		return fmt.Errorf("interrupted after %s; run it again for the rest", plural(len(a.Orders), "order"))
	case a.Failed > 0:
		return fmt.Errorf("%s can't be looked up", plural(a.Failed, "order"))
	}
	return nil
}

func (a reconciled) table(w io.Writer) error {
	for _, one := range a.Orders {
		writeHanging(w, "", ofRestaurant(one.OrderID, one.Slug))
		var facts []fact
		if one.Says != "" {
			facts = append(facts, fact{"Stripe", one.Says})
		}
		for _, change := range one.Changes {
			facts = append(facts, fact{"change", change})
		}
		if one.Known > 0 {
			facts = append(facts, fact{"known", plural(one.Known, "event") + " of this is stored already"})
		}
		if one.Error != "" {
			facts = append(facts, fact{"error", one.Error})
		}
		writeFacts(w, facts)
	}
	if len(a.Orders) > 0 {
		fmt.Fprintln(w)
	}
	writeHanging(w, "", a.summary())
	return a.endOf(a.Events, w)
}

// summary is all counts in words; of what there is none, it says nothing.
func (a reconciled) summary() string {
	if len(a.Orders) == 0 {
		return "No order waits for so long."
	}
	text := a.verb("store", "Stored") + " nothing."
	if a.Explained > 0 {
		text = fmt.Sprintf("%s %s for %d of %s.", a.verb("store", "Stored"), plural(a.Events, "event"), a.Explained, plural(len(a.Orders), "order"))
	}
	if a.Unexplained > 0 {
		text += " Stripe has nothing new for " + plural(a.Unexplained, "order") + "."
	}
	if a.Failed > 0 {
		text += " " + plural(a.Failed, "order") + " can't be looked up."
	}
	return text
}

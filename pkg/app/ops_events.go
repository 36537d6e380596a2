package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

func (o *ops) events() *cobra.Command {
	return o.group("events", "Search, read and replay stored events", "", o.listEvents(), o.showEvent(), o.replayEvents())
}

// eventStatuses are the values of --status.
var eventStatuses = event.Statuses()

// eventFlags are a filter as flags.
type eventFlags struct {
	status, eventType, restaurant, order, since, until string
	limit                                              int
}

func (f *eventFlags) add(c *cobra.Command, limit int) {
	flags := c.Flags()
	flags.StringVar(&f.status, "status", "", "only this status: "+strings.Join(eventStatuses, ", "))
	flags.StringVar(&f.eventType, "type", "", "only this `type`; charge.* is all that begin so")
	flags.StringVar(&f.restaurant, "restaurant", "", "only this restaurant's, by slug or id")
	flags.StringVar(&f.order, "order", "", "only those about this order, by `id`")
	flags.StringVar(&f.since, "since", "", "only those stored since then: 6h ago, or a `time` such as 2026-01-31T18:00:00Z")
	flags.StringVar(&f.until, "until", "", "only those stored before then, a `time` likewise")
	flags.IntVar(&f.limit, "limit", limit, "no more than so many, the newest")
}

func (f *eventFlags) filter(now time.Time, ids []string) (postgres.EventFilter, error) {
	out := postgres.EventFilter{IDs: ids, Status: strings.ToUpper(f.status), Restaurant: f.restaurant, Order: f.order, Limit: f.limit}
	if out.Status != "" && !slices.Contains(eventStatuses, out.Status) {
		return out, misuse("--status %q: want one of %s", f.status, strings.Join(eventStatuses, ", "))
	}
	if f.limit < 1 {
		return out, misuse("--limit: want a positive number")
	}
	out.Type = typePattern(f.eventType)
	var err error
	if out.Since, err = pointInTime("--since", f.since, now); err != nil {
		return out, err
	}
	out.Until, err = pointInTime("--until", f.until, now)
	return out, err
}

// pointInTime reads a time, or how long ago it was.
func pointInTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	long := strings.TrimSuffix(text, " ago")
	if d, err := time.ParseDuration(long); err == nil {
		return now.Add(-d.Abs()), nil
	}
	if days, err := strconv.ParseUint(strings.TrimSuffix(long, "d"), 10, 16); err == nil && strings.HasSuffix(long, "d") {
		return now.Add(-time.Duration(days) * 24 * time.Hour), nil // as our own output says it
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, misuse("%s %q: want how long ago, such as 90m, 6h or 2d, or a time such as 2026-01-31T18:00:00Z", flag, text)
	}
	return t, nil
}

func (o *ops) listEvents() *cobra.Command {
	var f eventFlags
	c := &cobra.Command{
		Use: "list [EVENT ...]", Short: "List stored events, newest first, all or those of these ids",
		Long: "Lists stored events, newest first: all, or those of these ids, ours or Stripe's.\n" +
			"That the flags find nothing is an answer. An event or an order that is named and\n" +
			"not stored is an error.\n\n" +
			"STATUS is the outcome of those that are COMPLETED, and says of an event that\n" +
			"Stripe has not delivered how it came: backfill, reconcile or test.",
		Example: "  ops events list --status FAILED --since 24h\n  ops events list --order order-1 -o json",
		RunE: func(c *cobra.Command, ids []string) error {
			filter, err := f.filter(o.now(), ids)
			if err != nil {
				return err
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				if filter.Restaurant, err = restaurantID(ctx, db, filter.Restaurant); err != nil {
					return err
				}
				all, err := db.Events(ctx, filter)
				if err != nil {
					return err
				}
				missing, err := unknown(ctx, db, filter, all)
				if err != nil {
					return err
				}
				// What is there is shown, whatever else was named.
				if err := o.show(c.OutOrStdout(), all, func(w io.Writer) error {
					if len(all) == 0 && missing != nil {
						return nil // the error says it all
					}
					return o.writeEvents(w, all)
				}); err != nil {
					return err
				}
				return missing
			})
		},
	}
	f.add(c, 50)
	return c
}

// unknown is the error of a search for what is not stored at all, as a misspelt id
// isn't; found is what the search has found. What is stored, and left out by a
// flag or the limit, is none.
func unknown(ctx context.Context, db *postgres.DB, f postgres.EventFilter, found []postgres.Event) (missing, err error) {
	for _, id := range f.IDs {
		if slices.ContainsFunc(found, func(e postgres.Event) bool { return e.ID == id || e.ProviderEventID == id }) {
			continue
		}
		stored, err := db.Events(ctx, postgres.EventFilter{IDs: []string{id}, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(stored) == 0 {
			return fmt.Errorf("there is no such event: %s", id), nil
		}
	}
	if f.Order == "" || len(found) > 0 { // an order may be gone, and its events there
		return nil, nil
	}
	views, err := db.Views(ctx, []string{f.Order})
	if err != nil || len(views) > 0 {
		return nil, err
	}
	return fmt.Errorf("%w: %s", postgres.ErrNoOrder, f.Order), nil
}

func (o *ops) writeEvents(w io.Writer, all []postgres.Event) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "No event is like that.")
		return err
	}
	t := table{columns: []string{"AGE", "STATUS", "EVENT", "TYPE"}, elastic: 3, ends: true, below: make([]string, len(all))}
	now := o.now()
	for i, e := range all {
		status := e.Status
		if e.Outcome != "" {
			status = e.Outcome // COMPLETED says less
		}
		if e.Source != string(event.Webhook) {
			status += ", " + e.Source // a column of its own would take the type's room
		}
		name := e.ProviderEventID
		if name == "" || event.Status(e.Status).Refused() {
			name = e.ID // what Stripe's id would be is only the sender's word
		}
		if e.Source == string(event.Reconciled) {
			name = e.ID // the other is made of an object's, and too long
		}
		t.add(span(now.Sub(e.CreatedAt)), status, name, e.Type)
		t.below[i] = whyUnfinished(e)
	}
	return t.write(w)
}

// whyUnfinished is why an event has not been worked off, as far as it is known.
func whyUnfinished(e postgres.Event) string {
	why := e.LastError
	switch {
	case e.Status == string(event.Completed):
		return ""
	case e.WaitsFor != "":
		why = "it waits for a payment, which one of these would lead to: " + e.WaitsFor
	}
	if whose := cmp.Or(e.Slug, e.RestaurantID); why != "" && whose != "" {
		return "of " + whose + ": " + why
	}
	return why
}

// restaurantOf is an event's restaurant: what commands name it by, and what the
// ordering application does.
func restaurantOf(e postgres.Event) string {
	if e.Slug == "" || e.Slug == e.RestaurantID {
		return dash(e.RestaurantID)
	}
	return e.Slug + " (id " + e.RestaurantID + ")"
}

func (o *ops) showEvent() *cobra.Command {
	var payload bool
	c := &cobra.Command{
		Use: "show EVENT", Short: "Show one event, by our id or Stripe's", Args: takes("EVENT"),
		Long: "Shows what became of one event. The payload holds the customer's data, and is\n" +
			"shown only with --payload; of a delivery that was refused the beginning is kept.",
		Example: "  ops events show evt_1Nabc\n  ops events show evt_1Nabc --payload",
		RunE: func(c *cobra.Command, args []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				return o.showEventOf(ctx, c.OutOrStdout(), db, args[0], payload)
			})
		},
	}
	c.Flags().BoolVar(&payload, "payload", false, "also the body that Stripe sent")
	return c
}

func (o *ops) showEventOf(ctx context.Context, w io.Writer, db *postgres.DB, id string, withPayload bool) error {
	found, err := db.Events(ctx, postgres.EventFilter{IDs: []string{id}, Limit: 20})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("there is no such event: %s", id)
	}
	type item struct {
		postgres.Event
		Payload json.RawMessage `json:"payload,omitempty"`
	}
	items := make([]item, len(found)) // several restaurants may have an event of one id
	for i, e := range found {
		items[i].Event = e
		if withPayload {
			body, err := db.EventPayload(ctx, e)
			if err != nil {
				return err
			}
			if !json.Valid(body) { // of a refused delivery, cut off
				body, _ = json.Marshal(string(body)) // a string always encodes
			}
			items[i].Payload = body
		}
	}
	return o.show(w, items, func(w io.Writer) error {
		for _, it := range items {
			if err := writeEvent(w, it.Event, it.Payload); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeEvent(w io.Writer, e postgres.Event, payload []byte) error {
	facts := []fact{
		{"id", e.ID}, {"type", e.Type},
		{"status", strings.TrimSpace(e.Status + " " + e.Outcome)}, {"restaurant", restaurantOf(e)},
		{"created", clockTime(e.OccurredAt)}, {"stored", clockTime(e.CreatedAt)},
	}
	if e.ProcessedAt != nil {
		facts = append(facts, fact{"worked off", fmt.Sprintf("%s, attempt %d", clockTime(*e.ProcessedAt), e.Attempts)})
	}
	if e.OrderID != "" {
		facts = append(facts, fact{"order", e.OrderID})
	}
	switch event.Source(e.Source) {
	case event.Backfilled, event.Reconciled:
		facts = append(facts, fact{"source", e.Source + ": Stripe was asked for it"})
	case event.Test:
		facts = append(facts, fact{"source", e.Source + ": the panel has signed and sent it"})
	}
	if e.SignedWith != "" {
		facts = append(facts, fact{"signed with", "the " + e.SignedWith + " secret"})
	}
	if e.LastError != "" {
		facts = append(facts, fact{"error", printable(e.LastError)})
	}
	if e.WaitsFor != "" {
		facts = append(facts, fact{"waits for", "a payment, which one of these would lead to: " + e.WaitsFor + ". If none comes in three days, it is FAILED"})
	}
	facts = append(facts, fact{"version", dash(e.APIVersion)}, fact{"payload", plural(e.Bytes, "byte")})
	fmt.Fprintln(w, dash(e.ProviderEventID))
	writeFacts(w, facts)
	if payload == nil {
		return nil
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, payload, "", "  "); err != nil {
		return fmt.Errorf("showing the payload: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", pretty.String())
	return err
}

package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// stuckOrder is a stuck order, and why it is stuck as far as anyone knows.
type stuckOrder struct {
	postgres.StuckOrder
	AgeSeconds int    `json:"ageSeconds"`
	Why        string `json:"why"`
}

func (o *ops) stuckOrders() *cobra.Command {
	var older time.Duration
	var restaurant string
	var limit int
	c := &cobra.Command{
		Use: "stuck", Short: "List orders that wait for their payment for too long", Args: takes(),
		Long: "Lists the orders that are PAYMENT_PENDING for longer than they should be, the\n" +
			"oldest first, with what is known of why. It asks Stripe nothing; what Stripe has\n" +
			"said is what the workers found, or ops orders reconcile.",
		Example: "  ops orders stuck\n  ops orders stuck --older 2h --restaurant trattoria-da-marco -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			if older <= 0 {
				return misuse("--older: want a positive time, such as 30m or 2h")
			}
			if limit < 1 {
				return misuse("--limit: want a positive number")
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				id, err := restaurantID(ctx, db, restaurant)
				if err != nil {
					return err
				}
				found, err := db.StuckOrders(ctx, older, id, postgres.StuckOrder{}, limit)
				if err != nil {
					return err
				}
				all := make([]stuckOrder, len(found))
				for i, s := range found {
					s.CreatedAt, s.ReadAt, s.LookedAt = s.CreatedAt.UTC(), s.ReadAt.UTC(), utc(s.LookedAt)
					all[i] = stuckOrder{s, int(s.ReadAt.Sub(s.CreatedAt).Seconds()), whyStuck(s)}
				}
				return o.show(c.OutOrStdout(), all, func(w io.Writer) error { return writeStuck(w, all, limit) })
			})
		},
	}
	c.Flags().DurationVar(&older, "older", 30*time.Minute, "only those that are pending for longer")
	c.Flags().StringVar(&restaurant, "restaurant", "", "only this restaurant's, by slug or id")
	c.Flags().IntVar(&limit, "limit", 100, "no more than so many, the oldest")
	return c
}

// whyStuck is the first thing that explains it.
func whyStuck(s postgres.StuckOrder) string {
	asked := "Stripe was not asked yet"
	switch {
	case s.Finding != "":
		asked = fmt.Sprintf("Stripe, %s: %s", ago(s.ReadAt, s.LookedAt), s.Finding)
	case !s.HasKey:
		asked = "there is no API key to ask Stripe with"
	}
	switch order.PaymentStatus(s.PaymentStatus) {
	case "":
		return "no payment was begun"
	case order.PaymentReview:
		return "money came, but not what the order asked for: a human must look"
	}
	switch {
	case s.ProviderID == "":
		return "the payment has no session at Stripe yet"
	case s.Waiting > 0:
		return plural(s.Waiting, "event") + " of it can't be told to be its payment's; " + asked
	case s.PaymentStatus == string(order.PaymentProcessing):
		return "the money is under way; " + asked
	case s.PaymentStatus == string(order.PaymentIsFailed):
		return "an attempt was declined, the customer may try again; " + asked
	}
	return asked
}

func writeStuck(w io.Writer, all []stuckOrder, limit int) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "No order waits for so long.")
		return err
	}
	for _, s := range all {
		writeHanging(w, "", fmt.Sprintf("%s, pending for %s, %s", ofRestaurant(s.ID, s.Slug), span(s.ReadAt.Sub(s.CreatedAt)), money(s.Amount, s.Currency)))
		payment := dash(s.PaymentStatus)
		if s.Payments > 1 {
			payment += fmt.Sprintf(", one of %d", s.Payments)
		}
		writeFacts(w, []fact{
			{"payment", payment}, {"at Stripe", dash(s.ProviderID)},
			{"events", fmt.Sprintf("%d known, %d waiting", s.Known, s.Waiting)}, {"why", s.Why},
		})
	}
	if len(all) == limit {
		fmt.Fprintf(w, "\nThere may be more: these are the oldest %d (--limit).\n", limit)
	}
	return nil
}

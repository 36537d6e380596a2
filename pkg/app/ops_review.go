package app

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
)

func (o *ops) undecidedPayments() *cobra.Command {
	var restaurant string
	var limit int
	c := &cobra.Command{
		Use: "review", Short: "List payments on which a human must decide", Args: takes(),
		Long: "Lists the payments that nobody but a human can decide on, the one that waits for\n" +
			"the longest first: those whose money is not what the order asked for (REVIEW),\n" +
			"and the second payment of an order that was paid twice. Each leaves the list\n" +
			"when the money is refunded in Stripe's Dashboard or, for money that will do,\n" +
			"when the order is settled by hand. Replaying their events changes nothing.",
		Example: "  ops orders review\n  ops orders review --restaurant trattoria-da-marco -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 {
				return misuse("--limit: want a positive number")
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				id, err := restaurantID(ctx, db, restaurant)
				if err != nil {
					return err
				}
				all, err := db.UndecidedPayments(ctx, id, 0, limit)
				if err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), all, func(w io.Writer) error { return writeUndecided(w, all, limit) })
			})
		},
	}
	c.Flags().StringVar(&restaurant, "restaurant", "", "only this restaurant's, by slug or id")
	c.Flags().IntVar(&limit, "limit", 100, "no more than so many, the oldest")
	return c
}

func writeUndecided(w io.Writer, all []postgres.Undecided, limit int) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "No payment waits for a human.")
		return err
	}
	for _, u := range all {
		writeHanging(w, "", fmt.Sprintf("%s, %s, for %s", ofRestaurant(u.OrderID, u.Slug), u.OrderStatus, span(u.ReadAt.Sub(u.Since))))
		writeFacts(w, []fact{
			{"payment", fmt.Sprintf("%s: %s, asked for %s", u.ID, u.Status, money(u.Amount, u.Currency))},
			{"at Stripe", dash(u.ProviderID)}, {"why", u.Why},
		})
	}
	if len(all) == limit {
		fmt.Fprintf(w, "\nThere may be more: these are the oldest %d (--limit).\n", limit)
	}
	return nil
}

package app

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

func (o *ops) orders() *cobra.Command {
	show := &cobra.Command{
		Use: "show ORDER", Short: "Show an order and what changed it, in time order", Args: takes("ORDER"),
		Example: "  ops orders show order-1\n  ops orders show order-1 -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				story, err := db.OrderStory(ctx, args[0])
				if err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), story, func(w io.Writer) error { return writeStory(w, story) })
			})
		},
	}
	return o.group("orders", "Look at orders and their payments", "", show, o.stuckOrders(), o.undecidedPayments(), o.reconcileOrders(), o.orderToken())
}

func writeStory(w io.Writer, s postgres.OrderStory) error {
	writeHanging(w, "", "Order "+ofRestaurant(s.ID, s.Slug))
	facts := []fact{{"status", s.Status}, {"total", money(s.Amount, s.Currency)}, {"created", clockTime(s.CreatedAt)}}
	if s.PaidAt != nil {
		facts = append(facts, fact{"paid", clockTime(*s.PaidAt)})
	}
	for _, p := range s.Payments {
		text := fmt.Sprintf("%s: %s, %s", p.ID, p.Status, money(p.Amount, p.Currency))
		if p.AmountRefunded > 0 {
			text += ", " + money(p.AmountRefunded, p.Currency) + " refunded"
		}
		if p.ProviderID != "" {
			text += ", " + p.ProviderID
		}
		facts = append(facts, fact{"payment", printable(text)})
		if p.Why != "" {
			facts = append(facts, fact{"review", p.Why})
		}
	}
	writeFacts(w, facts)
	fmt.Fprintln(w)
	if len(s.Transitions) == 0 {
		_, err := fmt.Fprintln(w, "No event has changed it yet.")
		return err
	}
	for _, t := range s.Transitions {
		writeHanging(w, clockTime(t.CreatedAt)+" ", t.Reason)
		var changes []string
		if t.OrderFrom != t.OrderTo {
			changes = append(changes, "order "+t.OrderFrom+" → "+t.OrderTo)
		}
		if t.PaymentFrom != t.PaymentTo {
			changes = append(changes, "payment "+t.PaymentFrom+" → "+t.PaymentTo)
		}
		writeHanging(w, "  ", strings.Join(changes, ", "))
		writeHanging(w, "  ", "by "+printable(dash(t.ProviderEventID)))
	}
	return nil
}

func money(amount int64, currency string) string {
	return order.Money{Amount: amount, Currency: currency}.String()
}

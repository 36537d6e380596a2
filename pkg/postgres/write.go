package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ends are the events of a batch that are finished.
type ends struct {
	attempts                               []event.Attempt
	ids, status, outcomes, reasons, orders pq.StringArray
	numbers                                pq.Int64Array
}

func (e *ends) add(a event.Attempt, r order.Result) {
	end, outcome, reason := event.Completed, r.Outcome, ""
	if r.Err != nil {
		end, outcome, reason = event.Failed, "", r.Err.Error()
	}
	e.attempts, e.ids = append(e.attempts, a), append(e.ids, a.ID)
	e.status, e.outcomes = append(e.status, string(end)), append(e.outcomes, string(outcome))
	e.reasons, e.numbers = append(e.reasons, reason), append(e.numbers, int64(a.Number))
	e.orders = append(e.orders, r.OrderID)
}

// write writes all that a batch changes, and answers how many events came to
// their end: the others were finished before. One statement instead of six: what
// it costs to send and to plan one is most of a small batch.
func write(ctx context.Context, on runner, c order.Changes, e ends) (ended int, err error) {
	if len(c.Payments)+len(e.ids) == 0 {
		return 0, nil
	}
	payments, err := paymentColumns(c.Payments)
	if err != nil {
		return 0, err
	}
	args := append(linkColumns(c.Links), payments...)
	args = append(append(args, orderColumns(c.Orders)...), transitionColumns(c.Transitions)...)
	first, last := span(e.attempts)
	args = append(args, e.ids, e.status, e.outcomes, e.reasons, e.numbers, e.orders, first, last)
	return on.change(ctx, "settle_write", args...)
}

// linkColumns are in a fixed order, so that two batches that meet here wait for
// each other instead of deadlocking.
func linkColumns(links map[order.Link]string) []any {
	sorted := make([]order.Link, 0, len(links))
	for l := range links {
		sorted = append(sorted, l)
	}
	slices.SortFunc(sorted, func(a, b order.Link) int {
		return cmp.Or(cmp.Compare(a.RestaurantID, b.RestaurantID), cmp.Compare(a.ObjectID, b.ObjectID))
	})
	c := textColumns(3, len(sorted))
	for i, l := range sorted {
		c[0][i], c[1][i], c[2][i] = l.RestaurantID, l.ObjectID, links[l]
	}
	return arguments(c)
}

func paymentColumns(payments []*order.Payment) ([]any, error) {
	n := len(payments)
	c, livemode, refunded := textColumns(4, n), make(pq.BoolArray, n), make(pq.Int64Array, n)
	for i, p := range payments {
		text, err := json.Marshal(p.Facts)
		if err != nil {
			return nil, fmt.Errorf("encoding the facts of payment %s: %w", p.ID, err)
		}
		c[0][i], c[1][i], c[2][i], c[3][i] = p.ID, string(p.Status), p.ProviderPaymentID, string(text)
		livemode[i], refunded[i] = p.Livemode, p.Refunded()
	}
	return []any{c[0], c[1], c[2], livemode, c[3], refunded}, nil
}

func orderColumns(orders []*order.Order) []any {
	c := textColumns(2, len(orders))
	for i, o := range orders {
		c[0][i], c[1][i] = o.ID, string(o.Status)
	}
	return arguments(c)
}

func transitionColumns(transitions []order.Transition) []any {
	c := textColumns(8, len(transitions))
	for i, t := range transitions {
		for j, v := range [...]string{t.OrderID, t.PaymentID, t.EventID, string(t.OrderFrom), string(t.OrderTo),
			string(t.PaymentFrom), string(t.PaymentTo), t.Reason} {
			c[j][i] = v
		}
	}
	return arguments(c)
}

// textColumns are n columns of so many rows.
func textColumns(n, rows int) []pq.StringArray {
	c := make([]pq.StringArray, n)
	for i := range c {
		c[i] = make(pq.StringArray, rows)
	}
	return c
}

func arguments(columns []pq.StringArray) []any {
	args := make([]any, len(columns))
	for i := range columns {
		args[i] = columns[i]
	}
	return args
}

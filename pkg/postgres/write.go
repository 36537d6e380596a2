package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

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

// write writes all that a batch changes, if the rows that were read for it are
// still the same and at least mustEnd of the events are not finished yet; else
// nothing. One statement instead of six: what it costs to send and to plan one is
// most of a small batch.
func (s *settlement) write(ctx context.Context, c order.Changes, e ends, mustEnd int) error {
	if len(c.Orders)+len(c.Payments)+len(e.ids) == 0 {
		return nil
	}
	payments, err := s.seen.paymentColumns(c.Payments)
	if err != nil {
		return err
	}
	besideOrders, besidePayments := s.seen.beside(c)
	args := append(linkColumns(c.Links), payments...)
	args = append(args, s.seen.orderColumns(c.Orders)...)
	args = append(args, pq.StringArray(besideOrders), versions(s.seen.orderV, besideOrders),
		pq.StringArray(besidePayments), versions(s.seen.paymentsV, besidePayments))
	args = append(args, transitionColumns(c.Transitions)...)
	first, last := span(e.attempts)
	args = append(args, e.ids, e.status, e.outcomes, e.reasons, e.numbers, e.orders, first, last, mustEnd)
	return s.on.exec(ctx, "settle_write", args...)
}

func versions(of map[string]string, ids []string) pq.StringArray {
	all := make(pq.StringArray, len(ids))
	for i, id := range ids {
		all[i] = of[id]
	}
	return all
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

// paymentColumns are in the order of the ids, as are orderColumns.
func (s *seen) paymentColumns(payments []*order.Payment) ([]any, error) {
	payments = slices.SortedFunc(slices.Values(payments), func(a, b *order.Payment) int { return cmp.Compare(a.ID, b.ID) })
	n := len(payments)
	c, refunded := textColumns(6, n), make(pq.Int64Array, n)
	for i, p := range payments {
		text, err := json.Marshal(p.Facts)
		if err != nil {
			return nil, fmt.Errorf("encoding the facts of payment %s: %w", p.ID, err)
		}
		c[0][i], c[1][i], c[2][i], c[3][i], c[4][i] = p.ID, string(p.Status), p.ProviderPaymentID, string(text), s.paymentsV[p.ID]
		if refunded[i] = p.Refunded(); !p.ModeUnknown {
			c[5][i] = strconv.FormatBool(p.Livemode)
		}
	}
	return []any{c[0], c[1], c[2], c[5], c[3], refunded, c[4]}, nil
}

func (s *seen) orderColumns(orders []*order.Order) []any {
	orders = slices.SortedFunc(slices.Values(orders), func(a, b *order.Order) int { return cmp.Compare(a.ID, b.ID) })
	c := textColumns(3, len(orders))
	for i, o := range orders {
		c[0][i], c[1][i], c[2][i] = o.ID, string(o.Status), s.orderV[o.ID]
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

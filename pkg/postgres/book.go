package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// openBook finds, locks and reads the orders that the entries lead to. Who only
// looks locks nothing.
func (s *settlement) openBook(ctx context.Context) (*order.Book, error) {
	found, err := s.findLinks(ctx)
	if err != nil || len(found) == 0 {
		return order.NewBook(nil, nil), err
	}
	links := make(map[order.Link]string, len(found))
	orderIDs := make([]string, 0, len(found))
	for _, f := range found {
		if f.Kind == "object" {
			links[f.name()] = f.PaymentID
		}
		orderIDs = append(orderIDs, f.OrderID)
	}
	slices.Sort(orderIDs)
	orderIDs = slices.Compact(orderIDs)
	orders, err := s.readOrders(ctx, orderIDs)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]bool, len(orders))
	for _, o := range orders {
		byID[o.ID] = true
	}
	book := order.NewBook(orders, links)
	for _, f := range found {
		if !byID[f.OrderID] { // it was there a moment ago: somebody holds it
			book.Busy(f.name())
		}
	}
	return book, nil
}

// readOrders reads, and locks, orders with their payments. One that somebody
// else holds is missing.
func (s *settlement) readOrders(ctx context.Context, ids []string) (orders []*order.Order, err error) {
	query := "order_lock"
	if s.looking {
		query = "order_read"
	}
	rows, err := s.on.query(ctx, query, pq.StringArray(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o order.Order
		var p order.Payment
		var id, restaurantID, status, provider, currency, facts sql.NullString
		var amount sql.NullInt64
		var livemode sql.NullBool
		if err := rows.Scan(&o.ID, &o.RestaurantID, &o.Status, &id, &restaurantID, &status, &provider,
			&amount, &currency, &livemode, &facts); err != nil {
			return nil, err
		}
		if len(orders) == 0 || orders[len(orders)-1].ID != o.ID {
			orders = append(orders, &o)
		}
		if !id.Valid {
			continue
		}
		p.ID, p.OrderID, p.RestaurantID, p.Status = id.String, o.ID, restaurantID.String, order.PaymentStatus(status.String)
		p.ProviderPaymentID = provider.String
		p.Expected = order.Money{Amount: amount.Int64, Currency: currency.String}
		p.Livemode, p.ModeUnknown = livemode.Bool, !livemode.Valid
		if err := json.Unmarshal([]byte(facts.String), &p.Facts); err != nil {
			// Its neighbours in the batch are to be tried without it.
			return nil, fmt.Errorf("%w: decoding the facts of payment %s: %w", event.ErrUnstorable, p.ID, err)
		}
		last := orders[len(orders)-1]
		last.Payments = append(last.Payments, &p)
	}
	return orders, rows.Err()
}

// names is what events name, each within its own restaurant.
type names struct{ restaurants, kinds, ids pq.StringArray }

func (n *names) add(e order.Entry) {
	look := func(kind, id string) {
		if id != "" {
			n.restaurants, n.kinds, n.ids = append(n.restaurants, e.RestaurantID), append(n.kinds, kind), append(n.ids, id)
		}
	}
	for _, id := range e.Facts.Objects() {
		look("object", id)
	}
	look("order", e.OrderID)
	look("payment", e.PaymentID)
}

// refuseForeign turns a result that would wait into a final one where the
// event names something that is another restaurant's: nobody will ever link
// that to this one.
func (s *settlement) refuseForeign(ctx context.Context, results []order.Result) error {
	var n names
	var of []int // entry of each name
	for i, r := range results {
		if errors.Is(r.Err, order.ErrUnknownPayment) {
			n.add(s.entries[i])
		}
		for len(of) < len(n.ids) {
			of = append(of, i)
		}
	}
	if len(n.ids) == 0 {
		return nil
	}
	var foreign []struct {
		RestaurantID string `db:"restaurant_id"`
		Kind         string `db:"kind"`
		ID           string `db:"id"`
	}
	if err := s.on.list(ctx, &foreign, "link_foreign", n.restaurants, n.kinds, n.ids); err != nil {
		return err
	}
	for _, f := range foreign {
		for j, i := range of {
			if n.restaurants[j] == f.RestaurantID && n.kinds[j] == f.Kind && n.ids[j] == f.ID {
				results[i].Err = event.Permanent(fmt.Errorf("%w %s: %s", order.ErrForeign, f.Kind, f.ID))
			}
		}
	}
	return nil
}

// findLinks answers which orders the entries' names lead to, each looked up
// within its own restaurant.
func (s *settlement) findLinks(ctx context.Context) ([]found, error) {
	var n names
	for _, e := range s.entries {
		n.add(e)
	}
	if len(n.ids) == 0 {
		return nil, nil
	}
	var rows []found
	if err := s.on.list(ctx, &rows, "link_find",
		n.restaurants, n.kinds, n.ids); err != nil {
		return nil, err
	}
	return rows, nil
}

// found is an order that a name leads to.
type found struct {
	RestaurantID string `db:"restaurant_id"`
	Kind         string `db:"kind"`
	ID           string `db:"id"`
	PaymentID    string `db:"payment_id"`
	OrderID      string `db:"order_id"`
}

func (f found) name() order.Link { return order.Link{RestaurantID: f.RestaurantID, ObjectID: f.ID} }

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// seen is what a settlement has read, with the version of each row: whoever
// writes by it makes sure that it still is what is there.
type seen struct {
	orders            map[string]*order.Order // by id
	orderV, paymentsV map[string]string       // xmin by id
}

// look reads what names lead to, in one statement.
func (s *settlement) look(ctx context.Context, n names) (map[order.Link]string, []*order.Order, error) {
	return s.see(s.on.query(ctx, "order_look", n.restaurants, n.kinds, n.ids))
}

// lockOrders reads and locks orders with their payments. One that somebody else
// holds is missing, as is one of which somebody holds a payment.
func (s *settlement) lockOrders(ctx context.Context, ids []string) ([]*order.Order, error) {
	var locked []struct {
		ID string `db:"id"`
	}
	if err := s.on.list(ctx, &locked, "order_lock", pq.StringArray(ids)); err != nil {
		return nil, err
	}
	ids = make([]string, len(locked))
	for i, o := range locked {
		ids[i] = o.ID
	}
	_, orders, err := s.see(s.on.query(ctx, "order_locked", pq.StringArray(ids)))
	return orders, err
}

// see reads the rows of order_look or order_locked, in place of what was seen before.
func (s *settlement) see(rows *sql.Rows, err error) (map[order.Link]string, []*order.Order, error) {
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	s.seen = seen{map[string]*order.Order{}, map[string]string{}, map[string]string{}}
	links, orders := map[order.Link]string{}, []*order.Order(nil)
	held := map[string]bool{} // orders
	for rows.Next() {
		var o order.Order
		var p order.Payment
		var object, status, version, id, restaurantID, paymentStatus, provider, session, currency, facts, paymentVersion sql.NullString
		var amount sql.NullInt64
		var livemode sql.NullBool
		if err := rows.Scan(&object, &o.RestaurantID, &o.ID, &status, &version, &id, &restaurantID, &paymentStatus, &provider, &session,
			&amount, &currency, &livemode, &facts, &paymentVersion); err != nil {
			return nil, nil, err
		}
		if object.Valid {
			links[order.Link{RestaurantID: o.RestaurantID, ObjectID: object.String}] = id.String
			continue
		}
		of := s.seen.orders[o.ID]
		if of == nil {
			of, o.Status = &o, order.Status(status.String)
			s.seen.orders[o.ID], s.seen.orderV[o.ID] = of, version.String
			orders = append(orders, of)
		}
		if !id.Valid {
			continue
		}
		if !paymentVersion.Valid {
			held[o.ID] = true
			continue
		}
		p.ID, p.OrderID, p.RestaurantID, p.Status = id.String, o.ID, restaurantID.String, order.PaymentStatus(paymentStatus.String)
		p.ProviderPaymentID, p.Session = provider.String, session.String
		p.Expected = order.Money{Amount: amount.Int64, Currency: currency.String}
		p.Livemode, p.ModeUnknown = livemode.Bool, !livemode.Valid
		if err := json.Unmarshal([]byte(facts.String), &p.Facts); err != nil {
			// Its neighbours in the batch are to be tried without it.
			return nil, nil, fmt.Errorf("%w: decoding the facts of payment %s: %w", event.ErrUnstorable, p.ID, err)
		}
		s.seen.paymentsV[p.ID] = paymentVersion.String
		of.Payments = append(of.Payments, &p)
	}
	maps.DeleteFunc(s.seen.orders, func(id string, _ *order.Order) bool { return held[id] })
	orders = slices.DeleteFunc(orders, func(o *order.Order) bool { return held[o.ID] })
	for _, o := range orders {
		slices.SortFunc(o.Payments, func(a, b *order.Payment) int { return cmp.Compare(a.ID, b.ID) })
	}
	return links, orders, rows.Err()
}

// beside are the rows that changes rest on and leave as they are: of each order
// with a changed payment, itself and its other payments.
func (s *seen) beside(c order.Changes) (orders, payments []string) {
	orders, payments = []string{}, []string{} // nil would be NULL, of which SQL knows no length
	changed := make(map[string]bool, len(c.Orders)+len(c.Payments))
	for _, o := range c.Orders {
		changed["order "+o.ID] = true
	}
	for _, p := range c.Payments {
		changed["payment "+p.ID] = true
	}
	for _, p := range c.Payments {
		o := s.orders[p.OrderID]
		if !changed["order "+o.ID] {
			changed["order "+o.ID] = true
			orders = append(orders, o.ID)
		}
		for _, other := range o.Payments {
			if !changed["payment "+other.ID] {
				changed["payment "+other.ID] = true
				payments = append(payments, other.ID)
			}
		}
	}
	slices.Sort(orders)
	slices.Sort(payments)
	return orders, payments
}

package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
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
	var orders []*order.Order
	query := "order_lock"
	if s.looking {
		query = "order_read"
	}
	rows, err := s.tx.QueryxContext(ctx, db.Query(query), pq.StringArray(orderIDs))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	byID := make(map[string]*order.Order, len(orderIDs))
	for rows.Next() {
		o := &order.Order{}
		if err := rows.Scan(&o.ID, &o.RestaurantID, &o.Status); err != nil {
			return nil, err
		}
		orders, byID[o.ID] = append(orders, o), o
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := s.readPayments(ctx, orderIDs, byID); err != nil {
		return nil, err
	}
	book := order.NewBook(orders, links)
	for _, f := range found {
		if byID[f.OrderID] == nil { // it was there a moment ago: somebody holds it
			book.Busy(f.name())
		}
	}
	return book, nil
}

func (s *settlement) readPayments(ctx context.Context, orderIDs []string, orders map[string]*order.Order) error {
	query := "payment_lock"
	if s.looking {
		query = "payment_read"
	}
	rows, err := s.tx.QueryxContext(ctx, db.Query(query), pq.StringArray(orderIDs))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var facts []byte
		var livemode sql.NullBool
		p := &order.Payment{}
		if err := rows.Scan(&p.ID, &p.OrderID, &p.RestaurantID, &p.Status, &p.ProviderPaymentID,
			&p.Expected.Amount, &p.Expected.Currency, &livemode, &facts); err != nil {
			return err
		}
		p.Livemode, p.ModeUnknown = livemode.Bool, !livemode.Valid
		if err := json.Unmarshal(facts, &p.Facts); err != nil {
			// Its neighbours in the batch are to be tried without it.
			return fmt.Errorf("%w: decoding the facts of payment %s: %w", event.ErrUnstorable, p.ID, err)
		}
		o := orders[p.OrderID]
		if o == nil {
			continue // of an order that was skipped
		}
		o.Payments = append(o.Payments, p)
	}
	return rows.Err()
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
	if err := s.tx.SelectContext(ctx, &foreign, db.Query("link_foreign"), n.restaurants, n.kinds, n.ids); err != nil {
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
	if err := s.tx.SelectContext(ctx, &rows, db.Query("link_find"),
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

// insertLinks writes in a fixed order, so that two batches that meet here wait
// for each other instead of deadlocking.
func insertLinks(ctx context.Context, tx *sqlx.Tx, c order.Changes) error {
	if len(c.Links) == 0 {
		return nil
	}
	links := make([]order.Link, 0, len(c.Links))
	for l := range c.Links {
		links = append(links, l)
	}
	slices.SortFunc(links, func(a, b order.Link) int {
		return cmp.Or(cmp.Compare(a.RestaurantID, b.RestaurantID), cmp.Compare(a.ObjectID, b.ObjectID))
	})
	restaurants, objects, payments := make([]string, len(links)), make([]string, len(links)), make([]string, len(links))
	for i, l := range links {
		restaurants[i], objects[i], payments[i] = l.RestaurantID, l.ObjectID, c.Links[l]
	}
	_, err := tx.ExecContext(ctx, db.Query("link_insert"),
		pq.StringArray(restaurants), pq.StringArray(objects), pq.StringArray(payments))
	return err
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

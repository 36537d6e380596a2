package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lib/pq"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// openBook finds and reads the orders that the entries lead to. Who doesn't only
// look locks them.
func (s *settlement) openBook(ctx context.Context) (*order.Book, error) {
	var n names
	for _, e := range s.entries {
		n.add(e)
	}
	if len(n.ids) == 0 {
		return order.NewBook(nil, nil), nil
	}
	links, orders, err := s.look(ctx, n)
	if err != nil || s.looking {
		return order.NewBook(orders, links), err
	}
	looked := s.seen.orders
	orders, err = s.lockOrders(ctx, slices.Sorted(maps.Keys(looked)))
	if err != nil {
		return nil, err
	}
	book := order.NewBook(orders, links)
	for id, o := range looked {
		if s.seen.orders[id] == nil { // it was there a moment ago: somebody holds it
			markBusy(book, o, links)
		}
	}
	return book, nil
}

// markBusy tells the book of every name that leads to the order.
func markBusy(book *order.Book, o *order.Order, links map[order.Link]string) {
	book.Busy(order.Link{RestaurantID: o.RestaurantID, ObjectID: o.ID})
	for _, p := range o.Payments {
		book.Busy(order.Link{RestaurantID: o.RestaurantID, ObjectID: p.ID})
		for l, paymentID := range links {
			if paymentID == p.ID {
				book.Busy(l)
			}
		}
	}
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

// foreignName is a name that is another restaurant's.
type foreignName struct {
	RestaurantID string `db:"restaurant_id"`
	Kind         string `db:"kind"`
	ID           string `db:"id"`
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
	var foreign []foreignName
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

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

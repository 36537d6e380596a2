package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/order"
)

// Views reads the orders with these ids, in no particular order. One that isn't
// there is missing.
func (d *DB) Views(ctx context.Context, ids []string) ([]order.View, error) {
	var views []order.View
	if err := d.SelectContext(ctx, &views, db.Query("order_views"), pq.StringArray(ids)); err != nil {
		return nil, fmt.Errorf("reading orders: %w", err)
	}
	return views, nil
}

// PlaceOrder makes an order, or answers the one that the same idempotency key
// has made from the same request; replayed says which. It answers ErrReplayed
// if that was another request.
func (d *DB) PlaceOrder(ctx context.Context, p order.Placing) (v order.View, replayed bool, err error) {
	lines := ""
	if len(p.Lines) > 0 {
		text, err := json.Marshal(p.Lines)
		if err != nil {
			return v, false, err
		}
		lines = string(text)
	}
	err = d.GetContext(ctx, &v, db.Query("order_place"), p.OrderID, p.RestaurantID, p.Total.Amount, p.Total.Currency,
		p.IdempotencyKey, p.RequestHash, lines)
	if errors.Is(err, sql.ErrNoRows) {
		return d.placedOrder(ctx, p)
	}
	if err != nil {
		return v, false, fmt.Errorf("storing an order of restaurant %s: %w", p.RestaurantID, d.fault(ctx, err))
	}
	return v, false, nil
}

func (d *DB) placedOrder(ctx context.Context, p order.Placing) (order.View, bool, error) {
	var before struct {
		order.View
		RequestHash []byte `db:"requestHash"`
	}
	if err := d.GetContext(ctx, &before, db.Query("order_placed"), p.RestaurantID, p.IdempotencyKey); err != nil {
		return order.View{}, false, fmt.Errorf("reading what an idempotency key has made: %w", err)
	}
	if !bytes.Equal(before.RequestHash, p.RequestHash) {
		return order.View{}, false, order.ErrReplayed
	}
	return before.View, true, nil
}

// WatchOrders calls changed with the ids of orders whose status has become
// another, and with nil when anything may have, which is after every lost
// connection. It returns when ctx ends.
func (d *DB) WatchOrders(ctx context.Context, changed func(ids []string)) error {
	return d.listen(ctx, "tillhook_order", func(n *pq.Notification) {
		if n == nil {
			changed(nil)
			return
		}
		var ids []string
		if err := json.Unmarshal([]byte(n.Extra), &ids); err != nil {
			ids = nil // not one of our trigger's: look at all
		}
		changed(ids)
	})
}

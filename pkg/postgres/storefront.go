package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/order"
)

// PutRestaurant makes a restaurant, or renames the one with this id.
func (d *DB) PutRestaurant(ctx context.Context, id, name, slug string) error {
	if _, err := d.ExecContext(ctx, db.Query("restaurant_insert"), id, name, slug); err != nil {
		return fmt.Errorf("storing restaurant %s: %w", slug, err)
	}
	return nil
}

// PutSecret sets a restaurant's signing secret, sealed for the configuration
// configID, with the plaintext's fingerprint. The secret before it stays valid
// for 72 hours. A restaurant that has a configuration keeps its id, and the
// secret must have been sealed for that one.
func (d *DB) PutSecret(ctx context.Context, configID, restaurantID string, livemode bool, sealed, fingerprint string) error {
	return d.inTx(ctx, func(tx *sqlx.Tx) error {
		var id string
		if err := tx.GetContext(ctx, &id, db.Query("config_insert"), configID, restaurantID, livemode, sealed, fingerprint); err != nil {
			return fmt.Errorf("storing the secret of restaurant %s: %w", restaurantID, withoutDetail(err))
		}
		if id != configID {
			return fmt.Errorf("restaurant %s has the configuration %s, the secret was sealed for %s", restaurantID, id, configID)
		}
		return nil
	})
}

// NewOrder is an order with its first payment. Session is the Checkout
// Session's id, "" while there is none.
type NewOrder struct {
	OrderID, PaymentID, RestaurantID, Session string
	Total                                     order.Money
}

// CreateOrders stores orders that wait for their payments, all or none.
func (d *DB) CreateOrders(ctx context.Context, orders []NewOrder) error {
	n := len(orders)
	ids, payments, restaurants := make(pq.StringArray, n), make(pq.StringArray, n), make(pq.StringArray, n)
	sessions, amounts, currencies := make(pq.StringArray, n), make(pq.Int64Array, n), make(pq.StringArray, n)
	for i, o := range orders {
		ids[i], payments[i], restaurants[i] = o.OrderID, o.PaymentID, o.RestaurantID
		sessions[i], amounts[i], currencies[i] = o.Session, o.Total.Amount, o.Total.Currency
	}
	return d.inTx(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, db.Query("order_insert"), ids, restaurants, amounts, currencies); err != nil {
			return fmt.Errorf("storing orders: %w", err)
		}
		if _, err := tx.ExecContext(ctx, db.Query("payment_insert"), payments, ids, sessions, amounts, currencies); err != nil {
			return fmt.Errorf("storing payments: %w", err)
		}
		return nil
	})
}

// OrderState is where an order and one of its payments are.
type OrderState struct {
	OrderID      string              `db:"id"`
	PaymentID    string              `db:"paymentId"`
	RestaurantID string              `db:"restaurantId"`
	Order        order.Status        `db:"status"`
	Payment      order.PaymentStatus `db:"paymentStatus"`
	UpdatedAt    time.Time           `db:"updatedAt"`
}

// OrderStates reads the named orders, in the order of their ids.
func (d *DB) OrderStates(ctx context.Context, orderIDs []string) ([]OrderState, error) {
	var states []OrderState
	if err := d.SelectContext(ctx, &states, db.Query("order_states"), pq.StringArray(orderIDs)); err != nil {
		return nil, fmt.Errorf("reading orders: %w", err)
	}
	return states, nil
}

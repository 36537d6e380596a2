package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/order"
)

type auditedRow struct {
	storedRow
	OrderID   string    `db:"orderId"`
	CreatedAt time.Time `db:"createdAt"`
}

func (r auditedRow) event() AuditedEvent {
	return AuditedEvent{Stored: r.stored(), Status: r.Status, OrderID: r.OrderID}
}

// readRecorded reads orders with their payments and links.
func readRecorded(ctx context.Context, tx *sqlx.Tx, ids []string) ([]order.Recorded, error) {
	var orders []struct {
		ID           string       `db:"id"`
		RestaurantID string       `db:"restaurantId"`
		Status       order.Status `db:"status"`
		Complete     bool         `db:"complete"`
	}
	var payments []struct {
		ID                string              `db:"id"`
		OrderID           string              `db:"orderId"`
		RestaurantID      string              `db:"restaurantId"`
		Status            order.PaymentStatus `db:"status"`
		ProviderPaymentID string              `db:"providerPaymentId"`
		Session           string              `db:"session"`
		Amount            int64               `db:"amount"`
		Currency          string              `db:"currency"`
		Livemode          sql.NullBool        `db:"livemode"`
		Facts             []byte              `db:"facts"`
		AmountRefunded    int64               `db:"amountRefunded"`
	}
	var links []struct {
		OrderID   string `db:"orderId"`
		ObjectID  string `db:"objectId"`
		PaymentID string `db:"paymentId"`
	}
	for query, rows := range map[string]any{
		"audit_order_read": &orders, "audit_payment_read": &payments, "audit_link_read": &links,
	} {
		if err := tx.SelectContext(ctx, rows, db.Query(query), pq.StringArray(ids)); err != nil {
			return nil, err
		}
	}
	all := make([]order.Recorded, len(orders))
	at := make(map[string]*order.Recorded, len(orders))
	for i, o := range orders {
		all[i] = order.Recorded{
			Order:    &order.Order{ID: o.ID, RestaurantID: o.RestaurantID, Status: o.Status},
			Complete: o.Complete, AmountRefunded: map[string]int64{}, Links: map[string]string{},
		}
		at[o.ID] = &all[i]
	}
	for _, r := range payments {
		p := &order.Payment{
			ID: r.ID, OrderID: r.OrderID, RestaurantID: r.RestaurantID, Status: r.Status, ProviderPaymentID: r.ProviderPaymentID, Session: r.Session,
			Expected: order.Money{Amount: r.Amount, Currency: r.Currency}, Livemode: r.Livemode.Bool, ModeUnknown: !r.Livemode.Valid,
		}
		if err := json.Unmarshal(r.Facts, &p.Facts); err != nil {
			return nil, fmt.Errorf("decoding the facts of payment %s: %w", r.ID, err)
		}
		at[r.OrderID].Payments = append(at[r.OrderID].Payments, p)
		at[r.OrderID].AmountRefunded[r.ID] = r.AmountRefunded
	}
	for _, l := range links {
		at[l.OrderID].Links[l.ObjectID] = l.PaymentID
	}
	return all, nil
}

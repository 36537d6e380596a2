package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"tillhook/db"
	"tillhook/pkg/order"
)

// resume is how long a request for a session is repeated word for word when
// nobody knows what has become of it. Later its end would be nearer than
// Stripe allows for a new session; and nobody was ever sent to the one that it
// may have made.
const resume = 20 * time.Minute

// BeginCheckout finds the session of an order, or stores what Stripe is to be
// asked for, with its payment, before anybody asks. Two at once get the same.
// It answers ErrNoOrder, or why the order can't be paid.
func (d *DB) BeginCheckout(ctx context.Context, start order.CheckoutStart) (c order.Checkout, err error) {
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		c, err = beginCheckout(ctx, tx, &settlement{on: runner{d, tx}}, start)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("beginning the checkout of order %s: %w", start.OrderID, d.fault(ctx, err))
	}
	return c, nil
}

// wanted is the order as it is to be paid.
type wanted struct {
	RestaurantID string `db:"restaurantId"`
	Name         string `db:"name"` // the restaurant's
	TotalAmount  int64  `db:"totalAmount"`
	Currency     string `db:"currency"`
	Lines        string `db:"lines"` // JSON, "" if only the amount is known
}

func beginCheckout(ctx context.Context, tx *sqlx.Tx, s *settlement, start order.CheckoutStart) (c order.Checkout, err error) {
	var w wanted
	if err := tx.GetContext(ctx, &w, db.Query("checkout_order_lock"), start.OrderID); errors.Is(err, sql.ErrNoRows) {
		return c, order.ErrNoOrder
	} else if err != nil {
		return c, err
	}
	if _, err := tx.ExecContext(ctx, db.Query("payment_lock"), start.OrderID); err != nil {
		return c, err
	}
	orders, err := s.lockOrders(ctx, []string{start.OrderID})
	if err != nil {
		return c, err
	}
	o := orders[0] // it is locked, and all of its payments are
	p, err := o.Payable(start.Dead)
	if err != nil {
		return c, err
	}
	if p == nil {
		if p, err = openPayment(ctx, tx, s, o, start.PaymentID); err != nil {
			return c, err
		}
	}
	total := order.Money{Amount: w.TotalAmount, Currency: w.Currency}
	c = order.Checkout{RestaurantID: w.RestaurantID, PaymentID: p.ID, SessionID: p.CheckoutSession(), Outdated: p.Expected != total}
	switch {
	case c.SessionID != "":
		return c, nil
	case c.Outdated: // somebody may be asking Stripe for the old amount
		_, err = tx.ExecContext(ctx, db.Query("checkout_supersede"), p.ID)
		return c, err
	}
	request := start.Request
	request.RestaurantID, request.OrderID, request.PaymentID = w.RestaurantID, start.OrderID, p.ID
	request.Currency, request.Lines = w.Currency, nil
	if w.Lines != "" {
		err = json.Unmarshal([]byte(w.Lines), &request.Lines)
	}
	if err != nil || sum(request.Lines) != w.TotalAmount { // somebody has changed the order's total
		request.Lines = []order.Line{{Name: w.Name, Quantity: 1, UnitAmount: w.TotalAmount}}
	}
	err = putRequest(ctx, tx, &c, request)
	return c, err
}

// openPayment stores another payment of the order, which waits again for it.
func openPayment(ctx context.Context, tx *sqlx.Tx, s *settlement, o *order.Order, id string) (*order.Payment, error) {
	if _, err := tx.ExecContext(ctx, db.Query("payment_open"), o.ID, id); err != nil {
		return nil, err
	}
	orders, err := s.lockOrders(ctx, []string{o.ID})
	if err != nil {
		return nil, err
	}
	o = orders[0]
	for _, p := range o.Payments {
		if p.ID != id {
			continue
		}
		t := o.Reopen(p)
		if t == nil {
			return p, nil
		}
		_, err := tx.ExecContext(ctx, db.Query("order_reopen"), o.ID, p.ID, t.OrderFrom, t.OrderTo, t.PaymentFrom, t.PaymentTo, t.Reason)
		return p, err
	}
	return nil, fmt.Errorf("payment %s is not there after it was stored", id)
}

// putRequest keeps what Stripe is to be asked for, or takes what it may have
// been asked for a moment ago.
func putRequest(ctx context.Context, tx *sqlx.Tx, c *order.Checkout, request order.CheckoutRequest) error {
	var before struct {
		Attempt   int    `db:"attempt"`
		Request   string `db:"request"`
		Fresh     bool   `db:"fresh"`
		SessionID string `db:"sessionId"`
	}
	err := tx.GetContext(ctx, &before, db.Query("checkout_read"), c.PaymentID, resume.Seconds())
	switch {
	case err == nil && before.SessionID != "":
		c.SessionID = before.SessionID
		return nil
	case err == nil && before.Fresh:
		c.Attempt = before.Attempt
		return json.Unmarshal([]byte(before.Request), &c.Request)
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	c.Request = request
	return tx.GetContext(ctx, &c.Attempt, db.Query("checkout_put"), c.PaymentID, string(text))
}

// KeepSession stores the session that an attempt at a payment's checkout has
// led to. Only then may a customer be sent there. It answers ErrSuperseded if
// the attempt is over by now.
func (d *DB) KeepSession(ctx context.Context, paymentID string, attempt int, sessionID string) error {
	var kept int
	err := d.GetContext(ctx, &kept, db.Query("checkout_session_set"), paymentID, sessionID, attempt)
	if err != nil {
		return fmt.Errorf("keeping the session of payment %s: %w", paymentID, d.fault(ctx, err))
	}
	if kept == 0 {
		return fmt.Errorf("keeping the session of payment %s: %w", paymentID, order.ErrSuperseded)
	}
	return nil
}

// DropRequest makes the next checkout of a payment ask Stripe anew, after an
// attempt that Stripe has answered with an error: it would say the same again.
func (d *DB) DropRequest(ctx context.Context, paymentID string, attempt int) error {
	if _, err := d.ExecContext(ctx, db.Query("checkout_drop"), paymentID, attempt); err != nil {
		return fmt.Errorf("giving up a request for payment %s: %w", paymentID, d.fault(ctx, err))
	}
	return nil
}

func sum(lines []order.Line) (total int64) {
	for _, l := range lines {
		total += l.Quantity * l.UnitAmount
	}
	return total
}

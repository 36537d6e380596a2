package order

import (
	"errors"
	"time"
)

// View is an order as its customer sees it.
type View struct {
	ID           string     `db:"id"`
	RestaurantID string     `db:"restaurantId"`
	Status       Status     `db:"status"`
	TotalAmount  int64      `db:"totalAmount"` // minor units
	Currency     string     `db:"currency"`
	CreatedAt    time.Time  `db:"createdAt"`
	UpdatedAt    time.Time  `db:"updatedAt"`
	PaidAt       *time.Time `db:"paidAt"`
}

// Final reports whether a customer who waits for the payment has nothing more
// to wait for. A payment that has failed or expired can be begun anew, but does
// not come by waiting: a page asks again when it is looked at again. What the
// restaurant does later is not the payment's.
func (s Status) Final() bool { return s != PaymentPending }

// Line is something that was ordered.
type Line struct {
	Name       string `json:"name"`
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unitAmount"` // minor units
}

// Placing is an order that a storefront wants to have made.
type Placing struct {
	OrderID        string // for the case that it is made
	RestaurantID   string
	Total          Money
	Lines          []Line // none if only the amount was said
	IdempotencyKey string // "" for none
	RequestHash    []byte // of what was asked for
}

// Why an order is not made, or not found.
var (
	ErrNoOrder  = errors.New("there is no such order")
	ErrReplayed = errors.New("the idempotency key was used for another order")
)

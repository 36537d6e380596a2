// Package api is the storefront's side of the product: a restaurant's shop
// creates orders and starts Stripe Checkout, and its customer's browser waits
// for the order to become PAID. orders.go makes orders, checkout.go leads to
// Stripe, status.go and stream.go tell how an order stands, hub.go learns of
// changes for all who wait.
package api

import (
	"context"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// Orders makes and reads orders.
type Orders interface {
	// PlaceOrder makes an order, or answers the one that its idempotency key
	// has made, or order.ErrReplayed.
	PlaceOrder(ctx context.Context, p order.Placing) (v order.View, replayed bool, err error)
	// Views reads orders; one that isn't there is missing.
	Views(ctx context.Context, ids []string) ([]order.View, error)
	// WatchOrders calls changed with the ids of orders that have changed, with
	// nil when any may have, until ctx ends.
	WatchOrders(ctx context.Context, changed func(ids []string)) error
}

// Checkouts remembers what Stripe is asked for, before it is.
type Checkouts interface {
	// BeginCheckout finds the session of an order, or stores the request for
	// one. The error says why the order can't be paid.
	BeginCheckout(ctx context.Context, start order.CheckoutStart) (order.Checkout, error)
	// KeepSession stores the session that a request has led to.
	KeepSession(ctx context.Context, paymentID string, attempt int, sessionID string) error
	// DropRequest has the next checkout ask Stripe anew.
	DropRequest(ctx context.Context, paymentID string, attempt int) error
}

// Stripe makes and reads Checkout Sessions with a restaurant's own key.
type Stripe interface {
	CreateSession(ctx context.Context, r order.CheckoutRequest, idempotencyKey string) (order.Session, error)
	Session(ctx context.Context, restaurantID, id string) (order.Session, error)
	ExpireSession(ctx context.Context, restaurantID, id string) (order.Session, error)
}

// Keys knows the restaurants' keys by their hashes.
type Keys interface {
	// FindShopKey answers whose key has this hash, or event.ErrNoShopKey.
	FindShopKey(ctx context.Context, hash []byte) (event.ShopKey, error)
	// PutShopKeyUses records when keys were last used, in microseconds.
	PutShopKeyUses(ctx context.Context, ids []string, at []int64) error
}

// Tokens makes and checks the tokens that let a customer see one order.
type Tokens interface {
	Token(orderID string) string
	Check(orderID, token string) bool
}

// KeyForm reads the keys of storefronts.
type KeyForm struct {
	Is   func(text string) bool // whether it looks like one
	Hash func(key string) []byte
}

const (
	// sessionLife is how long a customer may take to pay. Stripe takes 30
	// minutes to 24 hours. A kitchen wants to know soon; but for as long as
	// nobody knows whether Stripe has got a request, it is repeated word for
	// word, and its end must still be 30 minutes away then.
	sessionLife = time.Hour

	// checkoutTimeout is how long a customer waits for the way to Stripe, with
	// all that is tried meanwhile.
	checkoutTimeout = 15 * time.Second
	// lookTimeout is how long a look into the database may take.
	lookTimeout = 5 * time.Second
)

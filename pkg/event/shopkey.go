package event

import (
	"errors"
	"time"
)

// ShopKey is a key with which a storefront creates orders of one restaurant.
// Not to be mistaken for the restaurant's API key at Stripe.
type ShopKey struct {
	ID           string     `db:"id" json:"id"`
	RestaurantID string     `db:"restaurantId" json:"restaurantId"`
	Slug         string     `db:"slug" json:"slug"`
	Name         string     `db:"name" json:"name"`
	Prefix       string     `db:"prefix" json:"prefix"` // how the key begins
	CreatedAt    time.Time  `db:"createdAt" json:"createdAt"`
	LastUsedAt   *time.Time `db:"lastUsedAt" json:"lastUsedAt,omitempty"` // to the minute
	RevokedAt    *time.Time `db:"revokedAt" json:"revokedAt,omitempty"`
}

// ErrNoShopKey says that no key that counts has this hash or id.
var ErrNoShopKey = errors.New("there is no such API key")

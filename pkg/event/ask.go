package event

import (
	"errors"
	"time"
)

// Source is "WebhookEvent".source: how an event came to us.
type Source string

// The sources. What was backfilled or reconciled was told by Stripe when it was
// asked with the restaurant's API key, so that no signature vouches for it.
const (
	Webhook    Source = "webhook"   // delivered, and signed
	Backfilled Source = "backfill"  // one of Stripe's events that never reached us
	Reconciled Source = "reconcile" // made of the object as Stripe has it now
	Test       Source = "test"      // signed by ourselves, and delivered
)

// TestType is the type of the events that we sign ourselves, and of none of
// Stripe's: the worker keeps them, and ignores them. They say nothing of whether
// Stripe delivers, or with which secret.
const TestType = "tillhook.test"

// Why Stripe can't be asked, or doesn't answer. The first four are permanent:
// nobody is helped by asking again.
var (
	ErrNoAPIKey  = errors.New("the restaurant has no API key to ask Stripe with")
	ErrAPIKey    = errors.New("the restaurant's API key is not accepted")
	ErrForbidden = errors.New("the restaurant's API key may not read this")
	ErrNotThere  = errors.New("no such object at Stripe for this API key")
	ErrTooMany   = errors.New("too many requests, says Stripe")
	ErrNoAnswer  = errors.New("no usable answer from Stripe")
)

// ErrAnswered says, beside another of these, that Stripe has dealt with the
// request, and will say the same again to the same idempotency key.
var ErrAnswered = errors.New("answered with an error by Stripe")

// Query asks for a page of a restaurant's events, newest first.
type Query struct {
	RestaurantID string
	Since, Until time.Time // Since included, Until not; whole seconds
	After        string    // Page.Next of the page before, "" for the first
}

// Page is the answer to a Query.
type Page struct {
	Heard      []Heard
	Unreadable int    // events that a delivery would have been refused for
	Next       string // "" on the last page
}

// Heard is an event that Stripe told us of when asked. Of the record, our own
// id, the restaurant, the status and the source are still to be filled in.
type Heard struct {
	Record
	Hints Hints
}

// Lookup is a payment to be looked up at Stripe. Either id may be "".
type Lookup struct {
	RestaurantID string
	Session      string
	Intent       string
}

// Answer is what Stripe has of a payment.
type Answer struct {
	Says  string // for an operator
	Heard []Heard
}

// Backfill is one restaurant's turn to be asked for events that were missed.
type Backfill struct {
	RestaurantID string
	CoveredUntil time.Time // up to there Stripe was asked before
	LastError    string    // of the turn before
	Now          time.Time // by the database's clock
}

// Pending is an order that waits for its payment longer than it should.
type Pending struct {
	OrderID      string
	RestaurantID string
	CreatedAt    time.Time
	Payments     []PendingPayment // those that could still bring the money
	LastFinding  string           // of the look before, "" if there was none
}

// PendingPayment is how a payment is known at Stripe.
type PendingPayment struct{ ID, Session, Intent string }

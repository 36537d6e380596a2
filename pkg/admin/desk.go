// Package admin is the operators' panel: what the command line shows and does,
// for who would rather look at it in a browser.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"tillhook/pkg/event"
)

// Accounts are the operators, as far as signing in goes.
type Accounts interface {
	// FindOperator answers event.ErrNoOperator for who may not sign in.
	FindOperator(ctx context.Context, email string) (event.Operator, error)
	// TrySignIn counts a try under a key; a count begins anew after window.
	TrySignIn(ctx context.Context, key string, window time.Duration) (event.SignInTries, error)
	// ForgiveSignIn forgets the tries under some keys, and takes one back under
	// others.
	ForgiveSignIn(ctx context.Context, forget, takeBack []string) error
}

// Sessions are who is signed in. A token is known by its hash.
type Sessions interface {
	// BeginSession begins a session and leaves its line in the audit, both or
	// neither; from is the address that somebody signs in from.
	BeginSession(ctx context.Context, tokenHash []byte, o event.Operator, from string, longest, idle time.Duration) error
	// Session answers event.ErrNoOperator for a session that is over.
	Session(ctx context.Context, tokenHash []byte, idle time.Duration, used bool) (event.Operator, error)
	EndSession(ctx context.Context, tokenHash []byte) error
}

// Watch is what arrives and what is unfinished.
type Watch interface {
	Minutes(ctx context.Context, since, until time.Time) ([]event.Minute, error)
	Backlog(ctx context.Context, limit int) (event.Backlog, error)
}

// Events are the stored events.
type Events interface {
	SearchEvents(ctx context.Context, s Search) (EventPage, error)
	// Event finds one by our id or Stripe's, or answers ErrNotFound.
	Event(ctx context.Context, id string) (EventDetail, error)
	// Replay puts finished events through the worker again.
	Replay(ctx context.Context, who string, ids []string) (Replayed, error)
}

// Orders are the restaurants' orders.
type Orders interface {
	ListOrders(ctx context.Context, s OrderSearch) (OrderPage, error)
	// Order answers ErrNotFound if there is none.
	Order(ctx context.Context, id string) (Story, error)
	// Reconcile compares a pending order with Stripe's record of it, and lets
	// the worker settle the difference.
	Reconcile(ctx context.Context, who, id string) (Reconciled, error)
}

// Settings are the restaurants' configurations.
type Settings interface {
	Restaurants(ctx context.Context) ([]Restaurant, error)
	// Restaurant finds one by its id or slug, with its Use and Health, or answers
	// ErrNotFound.
	Restaurant(ctx context.Context, name string) (Restaurant, error)
	SetSecret(ctx context.Context, who string, s NewSecret) (SecretSet, error)
}

// Signer signs with a restaurant's stored secret.
type Signer interface {
	TestEvent(ctx context.Context, restaurantID string) (Signed, error)
}

// Audit is who did what.
type Audit interface {
	// AuditPage reads lines before one, 0 for the newest, of a restaurant by its
	// id or slug, "" for all. It answers ErrNotFound if there is none.
	AuditPage(ctx context.Context, before int64, restaurant string, limit int) ([]event.AuditLine, error)
	Record(ctx context.Context, who, action, restaurantID, target, detail string) error
}

// Queues makes the queues' own pages. They are asked for below root.
type Queues func(root string, readOnly bool) http.Handler

// ErrNotFound says that what was asked for is not there.
var ErrNotFound = errors.New("there is no such thing")

// Refusal is an error whose text an operator should read.
type Refusal struct{ Why error }

func (r Refusal) Error() string { return r.Why.Error() }
func (r Refusal) Unwrap() error { return r.Why }

// Cursor is the row before which a page begins; the zero one is the newest.
type Cursor struct {
	At time.Time
	ID string
}

// Search is what is asked of the events; what is left empty doesn't count.
type Search struct {
	IDs          []string
	Status, Type string // a type may end in *
	Restaurant   string // id or slug
	Order        string
	Since, Until time.Time
	Before       Cursor
	Limit        int
}

// EventPage is a page of events.
type EventPage struct {
	Events []Event
	More   bool
	Next   Cursor // where the search goes on
}

// Event is a stored event without its payload.
type Event struct {
	ID              string
	ProviderEventID string
	Type            string
	Status          string
	Outcome         string
	RestaurantID    string
	Slug            string // the restaurant's, "" if it is gone
	APIVersion      string
	Livemode        bool
	OccurredAt      time.Time
	CreatedAt       time.Time
	ProcessedAt     *time.Time
	Attempts        int
	LastError       string
	SignedWith      string
	OrderID         string
	Source          string
	Bytes           int
	WaitsFor        string // the names by which its payment would be found, "" if it waits for none
}

// EventDetail is all there is of an event.
type EventDetail struct {
	Event
	Payload []byte
	Changes []Transition
}

// Replayed is what became of a replay.
type Replayed struct{ Events, Queued int }

// Transition is one recorded change.
type Transition struct {
	CreatedAt       time.Time
	PaymentID       string
	OrderFrom       string
	OrderTo         string
	PaymentFrom     string
	PaymentTo       string
	Reason          string
	EventID         string
	ProviderEventID string
}

// OrderSearch is what is asked of the orders: of Status, StuckFor and Undecided
// one at the most.
type OrderSearch struct {
	Status, Restaurant string
	StuckFor           time.Duration // not 0: only what waits for its payment for longer
	Undecided          bool          // only those with a payment on which a human must decide
	Before             Cursor
	Limit              int
}

// OrderPage is a page of orders.
type OrderPage struct {
	Orders []Order
	More   bool
	Next   Cursor // where the search goes on
}

// Order is an order in a list.
type Order struct {
	ID, RestaurantID, Slug, Status string
	Amount                         int64
	Currency                       string
	CreatedAt                      time.Time
	PaidAt                         *time.Time
	Why                            string // it is stuck, or a human must decide, as far as anyone knows
}

// Story is an order, its payments, and what changed them.
type Story struct {
	Order
	Payments    []Payment
	Transitions []Transition
	Events      []Event
}

// Payment is one payment of an order. Amounts are in minor units.
type Payment struct {
	ID             string
	Status         string
	ProviderID     string
	Amount         int64
	Currency       string
	AmountRefunded int64
	Livemode       *bool
	Facts          json.RawMessage
	Why            string // a human must decide on its money, "" if nobody must
}

// Reconciled is what Stripe has of an order.
type Reconciled struct {
	Says    string
	Stored  int // events that we did not have
	Known   int
	Changes []string
}

// Restaurant is a restaurant's configuration, without any secret in it.
type Restaurant struct {
	ID, Slug, Name, ConfigID, Mode, Account string
	Active, HasSecret, HasAPIKey            bool
	Fingerprint                             string
	SetAt                                   *time.Time
	PreviousUntil                           *time.Time // nil: none is accepted
	ReadAt                                  time.Time
	Use                                     Use
	Health                                  event.RestaurantHealth
}

// Use is when the secrets did something. Times are nil for "never".
type Use struct {
	RestaurantID   string
	AcceptedAt     *time.Time
	SignedWith     string
	CurrentUsedAt  *time.Time
	PreviousUsedAt *time.Time
	RefusedAt      *time.Time
	RefusedWhy     string
}

// NewSecret is a signing secret to be stored.
type NewSecret struct {
	RestaurantID string
	Secret       string
	Overlap      *time.Duration // how long the one before is accepted; nil: as usual
}

// String keeps the secret out of whatever prints it.
func (NewSecret) String() string { return "[secret]" }

// SecretSet is what became of it.
type SecretSet struct {
	Fingerprint string
	Unchanged   bool
	Warnings    []string
	KeptUntil   *time.Time // how long the one before is accepted; nil if nothing has changed that
	Ended       bool       // the one before is refused from now on
}

// Signed is an event that is ready to be delivered.
type Signed struct {
	ID, Slug, Signature string
	Body                []byte
}

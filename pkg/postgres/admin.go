package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
)

// ErrChanged says that a row is not any more what the operator saw.
var ErrChanged = errors.New("someone else has changed it meanwhile: look again, then repeat the command")

// Operator is who writes, and with which command: both are in the audit line.
type Operator struct{ Actor, Action string }

// Stored is a secret as its row has it, perhaps in the clear: it must be
// opened or converted to be read, and prints as "[secret]".
type Stored string

// Format prints "[secret]" for every verb.
func (Stored) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText writes [secret].
func (Stored) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Restaurant is a restaurant with its Stripe configuration, active or not.
type Restaurant struct {
	ID                string     `db:"id"`
	Slug              string     `db:"slug"`
	Name              string     `db:"name"`
	ConfigID          string     `db:"configId"` // "" without a configuration
	Active            bool       `db:"isActive"`
	Livemode          *bool      `db:"livemode"` // nil while nobody has said
	Account           string     `db:"stripeAccountId"`
	Secret            Stored     `db:"webhookSecret"`
	Fingerprint       string     `db:"webhookSecretFingerprint"`
	SetAt             *time.Time `db:"webhookSecretSetAt"`
	Previous          Stored     `db:"previousWebhookSecret"`
	PreviousExpiresAt *time.Time `db:"previousWebhookSecretExpiresAt"`
	APIKey            Stored     `db:"secretKey"`
	ReadAt            time.Time  `db:"readAt"` // by the database's clock
}

// PreviousAccepted reports whether the previous secret verified deliveries
// when the row was read. As in ingest, one without an expiry does not.
func (r Restaurant) PreviousAccepted() bool {
	return r.Previous != "" && r.PreviousExpiresAt != nil && r.PreviousExpiresAt.After(r.ReadAt)
}

// FindRestaurants reads the restaurants that name is the slug or the id of:
// none, one, or in theory two. The name "" stands for all of them.
func (d *DB) FindRestaurants(ctx context.Context, name string) ([]Restaurant, error) {
	var all []Restaurant
	if err := d.SelectContext(ctx, &all, db.Query("restaurant_find"), name); err != nil {
		return nil, fmt.Errorf("reading restaurants: %w", err)
	}
	return all, nil
}

// NewRestaurant is a restaurant that has a configuration, but no secret yet.
type NewRestaurant struct {
	ID, Slug, Name, ConfigID string
	Livemode                 *bool  // nil: nobody has said
	Account                  string // Connect account, "" if none
}

// CreateRestaurant stores a restaurant with its configuration. A slug or an id
// that is taken is an error.
func (d *DB) CreateRestaurant(ctx context.Context, by Operator, r NewRestaurant) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, db.Query("restaurant_create"), r.ID, r.Name, r.Slug); err != nil {
			return fmt.Errorf("storing restaurant %s: %w", r.Slug, err)
		}
		var id string
		if err := tx.GetContext(ctx, &id, db.Query("config_create"), r.ConfigID, r.ID, r.Livemode, r.Account, "", ""); err != nil {
			return fmt.Errorf("storing the configuration of restaurant %s: %w", r.Slug, withoutDetail(err))
		}
		return nil
	})
}

// Use is when the secrets of a restaurant last did something. Times are nil
// for "never".
type Use struct {
	RestaurantID   string     `db:"restaurantId"`
	AcceptedAt     *time.Time `db:"acceptedAt"`     // a delivery that verified
	SignedWith     string     `db:"signedWith"`     // that one: current, previous, or "" if nobody noted it
	CurrentUsedAt  *time.Time `db:"currentUsedAt"`  // since the current secret was set
	PreviousUsedAt *time.Time `db:"previousUsedAt"` // since the current secret was set
	RefusedAt      *time.Time `db:"refusedAt"`
	RefusedWhy     string     `db:"refusedWhy"`
}

// WebhookUse reads how the secrets of one restaurant are used, or with "" of
// all, by restaurant id.
func (d *DB) WebhookUse(ctx context.Context, restaurantID string) (map[string]Use, error) {
	var rows []Use
	if err := d.SelectContext(ctx, &rows, db.Query("webhook_use"), restaurantID); err != nil {
		return nil, fmt.Errorf("reading when secrets were used: %w", err)
	}
	all := make(map[string]Use, len(rows))
	for _, u := range rows {
		all[u.RestaurantID] = u
	}
	return all, nil
}

// Clock is the database's time at this moment.
func (d *DB) Clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := d.GetContext(ctx, &now, db.Query("clock_read")); err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", err)
	}
	return now, nil
}

// SchemaMissing reports whether err is that of a database whose tables or
// columns are not there yet.
func SchemaMissing(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) && (e.Code == "42P01" || e.Code == "42703") // undefined table, undefined column
}

// Note leaves a line in the audit about something that no trigger sees.
func (d *DB) Note(ctx context.Context, by Operator, restaurantID, target, detail string) error {
	if _, err := d.ExecContext(ctx, db.Query("audit_insert"), by.Actor, by.Action, restaurantID, target, detail); err != nil {
		return fmt.Errorf("recording what was done to %s: %w", target, err)
	}
	return nil
}

// asOperator runs f in one transaction, whose changes the audit triggers
// attribute to by.
func (d *DB) asOperator(ctx context.Context, by Operator, f func(*sqlx.Tx) error) error {
	return d.inTx(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, db.Query("operator_set"), by.Actor, by.Action); err != nil {
			return fmt.Errorf("saying who writes: %w", err)
		}
		return f(tx)
	})
}

package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"tillhook/db"
)

// SecretChange is a signing secret to store, in place of the one that the
// operator saw.
type SecretChange struct {
	ConfigID, RestaurantID string
	NewConfig              bool  // the restaurant has no configuration yet: make it
	Livemode               *bool // of a new one
	Sealed                 string
	Fingerprint            string // of the plaintext

	WasFingerprint string
	WasSetAt       *time.Time
	// Overlap is how long the secret before stays accepted; nil leaves it to
	// the database, which says 72 hours.
	Overlap *time.Duration
}

// Kept is the secret that is accepted beside a new one.
type Kept struct {
	Previous    Stored     `db:"previousWebhookSecret"`            // "" for none
	Fingerprint string     `db:"previousWebhookSecretFingerprint"` // of the plaintext, "" if nobody knows
	ExpiresAt   *time.Time `db:"previousWebhookSecretExpiresAt"`
	ReadAt      time.Time  `db:"readAt"`
}

// StoreSecret stores a sealed secret and answers which one stays accepted
// beside it. It answers ErrChanged if the secret is not the one that the
// operator saw.
func (d *DB) StoreSecret(ctx context.Context, by Operator, c SecretChange) (kept Kept, err error) {
	err = d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		kept, err = storeSecret(ctx, tx, by, c)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("storing the secret of restaurant %s: %w", c.RestaurantID, ErrChanged)
		}
		if err != nil {
			return fmt.Errorf("storing the secret of restaurant %s: %w", c.RestaurantID, withoutDetail(err))
		}
		return nil
	})
	return kept, err
}

func storeSecret(ctx context.Context, tx *sqlx.Tx, by Operator, c SecretChange) (kept Kept, err error) {
	if c.NewConfig {
		var id string
		return kept, tx.GetContext(ctx, &id, db.Query("config_create"), c.ConfigID, c.RestaurantID, c.Livemode, "", c.Sealed, c.Fingerprint)
	}
	if err := tx.GetContext(ctx, &kept, db.Query("config_secret_set"),
		c.ConfigID, c.Sealed, c.Fingerprint, c.WasFingerprint, c.WasSetAt); err != nil {
		return kept, err
	}
	if c.Fingerprint == c.WasFingerprint { // which the trigger can't see
		if _, err := tx.ExecContext(ctx, db.Query("audit_insert"), by.Actor, by.Action, c.RestaurantID, c.ConfigID,
			"webhookSecret: the same one, sealed anew"); err != nil {
			return kept, err
		}
	}
	if c.Overlap != nil && kept.Previous != "" {
		err = tx.GetContext(ctx, &kept, db.Query("config_overlap_set"), c.ConfigID, c.Overlap.Seconds())
	}
	return kept, err
}

// RevokePrevious forgets the previous secret of a restaurant. It answers
// ErrChanged if that is not the one that the operator saw.
func (d *DB) RevokePrevious(ctx context.Context, by Operator, r Restaurant) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, db.Query("config_previous_revoke"), r.ConfigID, r.PreviousExpiresAt, r.SetAt)
		if err != nil {
			return fmt.Errorf("revoking the previous secret of restaurant %s: %w", r.ID, withoutDetail(err))
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("revoking the previous secret of restaurant %s: %w", r.ID, errors.Join(err, ErrChanged))
		}
		return nil
	})
}

// ConfigSecrets is all that is sealed of one configuration, "" for what isn't
// there.
type ConfigSecrets struct {
	ConfigID     string `db:"id"`
	RestaurantID string `db:"restaurantId"`
	Slug         string `db:"slug"`
	Secret       Stored `db:"webhookSecret"`
	Previous     Stored `db:"previousWebhookSecret"`
	APIKey       Stored `db:"secretKey"`
}

// ConfigSecrets reads the secrets of every configuration.
func (d *DB) ConfigSecrets(ctx context.Context) ([]ConfigSecrets, error) {
	var all []ConfigSecrets
	if err := d.SelectContext(ctx, &all, db.Query("config_secrets_list")); err != nil {
		return nil, fmt.Errorf("reading the stored secrets: %w", err)
	}
	return all, nil
}

// Reseal replaces the secrets of a configuration by what seal makes of them,
// under the row's lock, so that a secret which someone stores at this moment
// is not lost. seal answers the names of the columns that it changed, none to
// leave the row alone. A configuration that is gone is no error.
func (d *DB) Reseal(ctx context.Context, by Operator, configID, key string, seal func(ConfigSecrets) (ConfigSecrets, []string)) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		err := reseal(ctx, tx, by, configID, key, seal)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("sealing the secrets of configuration %s: %w", configID, withoutDetail(err))
		}
		return nil
	})
}

func reseal(ctx context.Context, tx *sqlx.Tx, by Operator, configID, key string, seal func(ConfigSecrets) (ConfigSecrets, []string)) error {
	var stored ConfigSecrets
	if err := tx.GetContext(ctx, &stored, db.Query("config_secrets_lock"), configID); err != nil {
		return err
	}
	next, columns := seal(stored)
	if len(columns) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, db.Query("config_secrets_reseal"), configID,
		string(next.Secret), string(next.Previous), string(next.APIKey)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, db.Query("audit_insert"), by.Actor, by.Action, stored.RestaurantID, configID,
		strings.Join(columns, ", ")+": sealed under key "+key)
	return err
}

package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"tillhook/db"
)

// APIKey is a restaurant's API key and what belongs to it.
type APIKey struct {
	ConfigID string `db:"id"` // "" without an active configuration
	Livemode *bool  `db:"livemode"`
	Account  string `db:"stripeAccountId"`
	Key      Stored `db:"secretKey"` // "" for none
}

// APIKey reads a restaurant's.
func (d *DB) APIKey(ctx context.Context, restaurantID string) (k APIKey, err error) {
	err = d.GetContext(ctx, &k, db.Query("config_api_key"), restaurantID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return k, fmt.Errorf("reading the API key of %s: %w", restaurantID, err)
	}
	return k, nil
}

// StoreAPIKey stores a sealed API key in place of the one that is there as was
// names it: secret.Fingerprint of the stored form. It answers ErrChanged if
// that is another by now.
func (d *DB) StoreAPIKey(ctx context.Context, by Operator, configID, restaurantID, sealed, was string) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		err := setAPIKey(ctx, tx, configID, sealed, was)
		if err == nil {
			_, err = tx.ExecContext(ctx, db.Query("backfill_due"), restaurantID)
		}
		if err != nil {
			return fmt.Errorf("storing the API key of restaurant %s: %w", restaurantID, withoutDetail(err))
		}
		return nil
	})
}

// SealAPIKey is StoreAPIKey for the same key in another form.
func (d *DB) SealAPIKey(ctx context.Context, by Operator, configID, restaurantID, sealed, was string) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		if err := setAPIKey(ctx, tx, configID, sealed, was); err != nil {
			return fmt.Errorf("sealing the API key of restaurant %s: %w", restaurantID, withoutDetail(err))
		}
		return nil
	})
}

func setAPIKey(ctx context.Context, tx *sqlx.Tx, configID, sealed, was string) error {
	result, err := tx.ExecContext(ctx, db.Query("config_api_key_set"), configID, sealed, was)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrChanged)
	}
	return nil
}

package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// CreateShopKey stores a key that may create orders. Only its hash is given.
func (d *DB) CreateShopKey(ctx context.Context, by Operator, k event.ShopKey, hash []byte) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, db.Query("apikey_insert"), k.ID, k.RestaurantID, k.Name, hash, k.Prefix); err != nil {
			return fmt.Errorf("storing an API key: %w", withoutDetail(err))
		}
		return nil
	})
}

// RevokeShopKey ends a key for good. It answers ErrNoShopKey if no key of this
// id counted.
func (d *DB) RevokeShopKey(ctx context.Context, by Operator, id string) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, db.Query("apikey_revoke"), id)
		if err != nil {
			return fmt.Errorf("revoking an API key: %w", withoutDetail(err))
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, event.ErrNoShopKey)
		}
		return nil
	})
}

// ShopKeys lists the keys of a restaurant, or the one with an id; "" is any.
func (d *DB) ShopKeys(ctx context.Context, restaurantID, id string) ([]event.ShopKey, error) {
	all := []event.ShopKey{}
	if err := d.SelectContext(ctx, &all, db.Query("apikey_list"), restaurantID, id); err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	return all, nil
}

// FindShopKey answers whose key has this hash, or ErrNoShopKey if none that
// counts.
func (d *DB) FindShopKey(ctx context.Context, hash []byte) (k event.ShopKey, err error) {
	err = d.GetContext(ctx, &k, db.Query("apikey_find"), hash)
	if errors.Is(err, sql.ErrNoRows) {
		return k, event.ErrNoShopKey
	}
	if err != nil {
		return k, fmt.Errorf("looking for an API key: %w", err)
	}
	return k, nil
}

// PutShopKeyUses records when keys were last used, in microseconds since 1970.
// The ids must be sorted.
func (d *DB) PutShopKeyUses(ctx context.Context, ids []string, at []int64) error {
	if _, err := d.ExecContext(ctx, db.Query("apikey_use_put"), pq.StringArray(ids), pq.Int64Array(at)); err != nil {
		return fmt.Errorf("recording the use of API keys: %w", err)
	}
	return nil
}

package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// Configs reads every restaurant with its configuration.
func (d *DB) Configs(ctx context.Context) ([]event.Config, error) {
	rows, err := d.QueryContext(ctx, db.Query("config_list"))
	if err != nil {
		return nil, fmt.Errorf("reading configurations: %w", err)
	}
	defer rows.Close()
	var all []event.Config
	for rows.Next() {
		var c event.Config
		if err := rows.Scan(&c.RestaurantID, &c.Slug, &c.ID, &c.Livemode, &c.Account,
			&c.Secret, &c.SecretSetAt, &c.PreviousSecret, &c.PreviousExpiresAt); err != nil {
			return nil, fmt.Errorf("reading configurations: %w", err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading configurations: %w", err)
	}
	return all, nil
}

// SealSecret replaces the plain secret with this fingerprint by its sealed
// form, unless someone has written another one since.
func (d *DB) SealSecret(ctx context.Context, configID, fingerprint, sealed string) error {
	if _, err := d.ExecContext(ctx, db.Query("config_seal"), configID, fingerprint, sealed); err != nil {
		// The server's message can quote the row; what is wrapped here must not.
		return fmt.Errorf("sealing the secret of configuration %s: %w", configID, withoutDetail(err))
	}
	return nil
}

// PutSecretUses records when secrets were last used. The uses must be sorted
// by restaurant and fingerprint.
func (d *DB) PutSecretUses(ctx context.Context, uses []event.SecretUse) error {
	n := len(uses)
	restaurants, fingerprints, ago := make(pq.StringArray, n), make(pq.StringArray, n), make(pq.Int64Array, n)
	for i, u := range uses {
		restaurants[i], fingerprints[i], ago[i] = u.RestaurantID, u.Fingerprint, u.Ago.Microseconds()
	}
	if _, err := d.ExecContext(ctx, db.Query("secret_use_put"), restaurants, fingerprints, ago); err != nil {
		return fmt.Errorf("recording the use of secrets: %w", err)
	}
	return nil
}

// RestaurantOfOrder answers "" when there is no such order.
func (d *DB) RestaurantOfOrder(ctx context.Context, orderID string) (string, error) {
	var id string
	err := d.GetContext(ctx, &id, db.Query("restaurant_of_order"), orderID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the restaurant of an order: %w", err)
	}
	return id, nil
}

// RestaurantsOfObjects answers with every restaurant, 16 at most, for which
// one of the Stripe objects is known.
func (d *DB) RestaurantsOfObjects(ctx context.Context, objectIDs []string) ([]string, error) {
	var ids []string
	if err := d.SelectContext(ctx, &ids, db.Query("restaurant_of_objects"), pq.StringArray(objectIDs)); err != nil {
		return nil, fmt.Errorf("looking for the restaurant of an object: %w", err)
	}
	return ids, nil
}

// WatchConfigs calls changed whenever a configuration was written, and after
// every lost connection, when it may have been. It returns when ctx ends.
func (d *DB) WatchConfigs(ctx context.Context, changed func()) error {
	return d.listen(ctx, "tillhook_config", func(*pq.Notification) { changed() })
}

// withoutDetail keeps of a server error what can't hold a value of the row.
func withoutDetail(err error) error {
	var e *pq.Error
	if errors.As(err, &e) {
		return fmt.Errorf("pq: %s (%s)", e.Code.Name(), e.Code)
	}
	return err
}

package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/order"
)

// EndAbandoned ends orders of storefronts whose customer was led to no session
// within a day, and answers how many. One that somebody holds is left for the
// next time.
func (d *DB) EndAbandoned(ctx context.Context, most int) (ended int, err error) {
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		ended, err = endAbandoned(ctx, tx, &settlement{on: runner{d, tx}}, most)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ending abandoned orders: %w", d.fault(ctx, err))
	}
	return ended, nil
}

func endAbandoned(ctx context.Context, tx *sqlx.Tx, s *settlement, most int) (int, error) {
	var found, left []string
	if err := tx.SelectContext(ctx, &found, db.Query("order_abandoned"), most, nil); err != nil || len(found) == 0 {
		return 0, err
	}
	// Now that they are locked: somebody may have begun to pay in the moment before.
	if err := tx.SelectContext(ctx, &left, db.Query("order_abandoned"), most, pq.StringArray(found)); err != nil {
		return 0, err
	}
	orders, err := s.lockOrders(ctx, left)
	if err != nil {
		return 0, err
	}
	for _, o := range orders {
		if err := s.write(ctx, order.Abandon(o), ends{}, 0); err != nil {
			return 0, fmt.Errorf("writing the end of order %s: %w", o.ID, err)
		}
	}
	return len(orders), nil
}

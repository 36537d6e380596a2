package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// EndAbandoned ends orders of storefronts whose customer was led to no session
// within a day, and answers how many, also with an error. One that somebody holds is
// left for the next time, and one that may not end keeps no other from it.
func (d *DB) EndAbandoned(ctx context.Context, most int) (ended int, err error) {
	if ended, err = d.endAbandoned(ctx, most, nil); err != nil {
		return ended, fmt.Errorf("ending abandoned orders: %w", err)
	}
	return ended, nil
}

// endAbandoned ends those of some orders, or of all, in one transaction. If the
// database refuses one, as the ordering application's triggers may, they are tried
// in halves, and theirs, until only those that it refuses stay.
func (d *DB) endAbandoned(ctx context.Context, most int, of pq.StringArray) (ended int, err error) {
	var found pq.StringArray
	err = d.inTx(ctx, func(tx *sqlx.Tx) error {
		found, ended, err = endAbandoned(ctx, tx, &settlement{on: runner{d, tx}}, most, of)
		return err
	})
	switch err = d.fault(ctx, err); {
	case err == nil:
		return ended, nil
	case len(found) < 2 || !errors.Is(err, event.ErrUnstorable) && !errors.Is(err, event.ErrTrigger):
		return 0, err
	}
	older, olderErr := d.endAbandoned(ctx, most, found[:len(found)/2])
	younger, youngerErr := d.endAbandoned(ctx, most, found[len(found)/2:])
	return older + younger, errors.Join(olderErr, youngerErr)
}

func endAbandoned(ctx context.Context, tx *sqlx.Tx, s *settlement, most int, of pq.StringArray) (found pq.StringArray, ended int, err error) {
	if err := tx.SelectContext(ctx, (*[]string)(&found), db.Query("order_abandoned"), most, of); err != nil || len(found) == 0 {
		return nil, 0, err
	}
	// Now that they are locked: somebody may have begun to pay in the moment before.
	var left []string
	if err := tx.SelectContext(ctx, &left, db.Query("order_abandoned"), most, found); err != nil {
		return found, 0, err
	}
	orders, err := s.lockOrders(ctx, left)
	if err != nil {
		return found, 0, err
	}
	for _, o := range orders {
		if err := s.write(ctx, order.Abandon(o), ends{}, 0); err != nil {
			return found, 0, fmt.Errorf("writing the end of order %s: %w", o.ID, err)
		}
	}
	return found, len(orders), nil
}

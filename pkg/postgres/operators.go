package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// ErrTaken says that an operator of this address is there already.
var ErrTaken = errors.New("there is an operator of this address already")

// CreateOperator stores an operator. It answers ErrTaken for an address that is
// known, disabled or not.
func (d *DB) CreateOperator(ctx context.Context, by Operator, o event.Operator) error {
	err := d.operatorWrite(ctx, by, "operator_create", o.ID, o.Email, o.Role, o.PasswordHash)
	if errors.Is(err, event.ErrNoOperator) {
		return ErrTaken
	}
	return err
}

// DisableOperator ends an operator's sessions and lets nobody in any more. It
// answers ErrNoOperator if nobody of this address could sign in.
func (d *DB) DisableOperator(ctx context.Context, by Operator, email string) error {
	return d.operatorWrite(ctx, by, "operator_disable", email)
}

// SetOperatorPassword stores another password and ends the sessions of the one
// before.
func (d *DB) SetOperatorPassword(ctx context.Context, by Operator, email, hash string) error {
	return d.operatorWrite(ctx, by, "operator_password_set", email, hash)
}

func (d *DB) operatorWrite(ctx context.Context, by Operator, query string, args ...any) error {
	return d.asOperator(ctx, by, func(tx *sqlx.Tx) error {
		var id string
		err := tx.GetContext(ctx, &id, db.Query(query), args...)
		if errors.Is(err, sql.ErrNoRows) {
			return event.ErrNoOperator
		}
		if err != nil {
			return fmt.Errorf("storing an operator: %w", withoutDetail(err))
		}
		return nil
	})
}

// Operators lists all of them, disabled or not, without their passwords.
func (d *DB) Operators(ctx context.Context) ([]event.Operator, error) {
	all := []event.Operator{}
	if err := d.SelectContext(ctx, &all, db.Query("operator_list")); err != nil {
		return nil, fmt.Errorf("reading the operators: %w", err)
	}
	return all, nil
}

// FindOperator reads who may sign in under an address, or answers
// ErrNoOperator.
func (d *DB) FindOperator(ctx context.Context, email string) (o event.Operator, err error) {
	return d.operator(ctx, "operator_find", email)
}

// Session reads whose session it is, or answers ErrNoOperator if it is over.
// With used it goes on for another time of idle.
func (d *DB) Session(ctx context.Context, tokenHash []byte, idle time.Duration, used bool) (event.Operator, error) {
	return d.operator(ctx, "session_read", tokenHash, idle.Seconds(), used)
}

func (d *DB) operator(ctx context.Context, query string, args ...any) (o event.Operator, err error) {
	err = d.GetContext(ctx, &o, db.Query(query), args...)
	if errors.Is(err, sql.ErrNoRows) {
		return o, event.ErrNoOperator
	}
	if err != nil {
		return o, fmt.Errorf("reading an operator: %w", err)
	}
	return o, nil
}

// BeginSession stores a session for an operator whose password is still the one
// that was checked, else it answers ErrNoOperator. With it goes the audit's line of
// where they have signed in from: neither is there without the other.
func (d *DB) BeginSession(ctx context.Context, tokenHash []byte, o event.Operator, from string, longest, idle time.Duration) error {
	result, err := d.ExecContext(ctx, db.Query("session_insert"), tokenHash, o.ID, o.PasswordHash, longest.Seconds(), idle.Seconds(), "from "+from)
	if err != nil {
		return fmt.Errorf("beginning a session: %w", withoutDetail(err))
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, event.ErrNoOperator)
	}
	return nil
}

// EndSession forgets a session.
func (d *DB) EndSession(ctx context.Context, tokenHash []byte) error {
	if _, err := d.ExecContext(ctx, db.Query("session_end"), tokenHash); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// TrySignIn counts a try under a key. A count begins anew after window.
func (d *DB) TrySignIn(ctx context.Context, key string, window time.Duration) (tries event.SignInTries, err error) {
	if err := d.GetContext(ctx, &tries, db.Query("sign_in_try"), key, window.Seconds()); err != nil {
		return tries, fmt.Errorf("counting tries to sign in: %w", err)
	}
	return tries, nil
}

// ForgiveSignIn forgets the tries under some keys, and takes one back under
// others.
func (d *DB) ForgiveSignIn(ctx context.Context, forget, takeBack []string) error {
	if _, err := d.ExecContext(ctx, db.Query("sign_in_forgive"), pq.StringArray(forget), pq.StringArray(takeBack)); err != nil {
		return fmt.Errorf("forgiving a try to sign in: %w", err)
	}
	return nil
}

// ForgiveAccount forgets all tries under a key, and under those that begin with
// it and a space.
func (d *DB) ForgiveAccount(ctx context.Context, key string) error {
	if _, err := d.ExecContext(ctx, db.Query("sign_in_clear"), key); err != nil {
		return fmt.Errorf("forgiving the tries to sign in: %w", err)
	}
	return nil
}

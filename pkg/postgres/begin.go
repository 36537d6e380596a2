package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// beginner makes connections whose transactions may write if the server lets
// them. lib/pq begins with READ WRITE, and so goes on committing at a primary
// that is one no more and has been told to take nothing (by
// default_transaction_read_only); and a standby answers that with another error
// than to a write.
type beginner struct{ driver.Connector }

// Connect connects.
func (b beginner) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := b.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	whole, ok := c.(pqConn)
	if !ok {
		return nil, fmt.Errorf("a connection of lib/pq that is a %T", c)
	}
	return conn{whole}, nil
}

// pqConn is all that database/sql makes use of in a connection of lib/pq's.
type pqConn interface {
	driver.Conn
	driver.Tx // it is its own transaction
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type conn struct{ pqConn }

// BeginTx takes one round trip, as lib/pq's does. The two can't be mixed: lib/pq's
// leaves behind, in the connection, what would close it two transactions later.
func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	begin := "BEGIN"
	if level := sql.IsolationLevel(o.Isolation); level != sql.LevelDefault {
		begin += " ISOLATION LEVEL " + level.String()
	}
	if o.ReadOnly {
		begin += " READ ONLY"
	}
	if _, err := c.ExecContext(ctx, begin, nil); err != nil {
		return nil, err
	}
	return c, nil
}

package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/jmoiron/sqlx"

	"tillhook/db"
)

// runner runs queries by their names, in a transaction if it has one.
//
// On a pool for batches the server keeps each statement with its plan: to parse
// and plan one takes longer than to run it for a handful of rows, and a batch at
// a moderate rate has no more.
type runner struct {
	d  *DB
	tx *sqlx.Tx
}

func (r runner) exec(ctx context.Context, name string, args ...any) error {
	s, err := r.statement(ctx, name)
	switch {
	case err != nil:
	case s != nil:
		_, err = s.ExecContext(ctx, args...)
	case r.tx != nil:
		_, err = r.tx.ExecContext(ctx, db.Query(name), args...)
	default:
		_, err = r.d.ExecContext(ctx, db.Query(name), args...)
	}
	return err
}

func (r runner) query(ctx context.Context, name string, args ...any) (*sql.Rows, error) {
	s, err := r.statement(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case s != nil:
		return s.QueryContext(ctx, args...)
	case r.tx != nil:
		return r.tx.QueryContext(ctx, db.Query(name), args...)
	}
	return r.d.QueryContext(ctx, db.Query(name), args...)
}

// list reads all rows into dest, a pointer to a slice.
func (r runner) list(ctx context.Context, dest any, name string, args ...any) error {
	rows, err := r.query(ctx, name, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return sqlx.StructScan(rows, dest)
}

// statement is the prepared one, nil where nothing is prepared.
func (r runner) statement(ctx context.Context, name string) (*sqlx.Stmt, error) {
	s, err := r.d.prepared.get(ctx, r.d, name)
	if s != nil && r.tx != nil {
		s = r.tx.StmtxContext(ctx, s)
	}
	return s, err
}

// prepared are the statements of a pool; the pool prepares each of them on
// every connection that comes to use it. A nil one prepares nothing.
type prepared struct {
	mu         sync.Mutex
	statements map[string]*sqlx.Stmt
}

func (p *prepared) get(ctx context.Context, d *DB, name string) (*sqlx.Stmt, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.statements[name]; s != nil {
		return s, nil
	}
	s, err := d.PreparexContext(ctx, db.Query(name))
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", name, err)
	}
	p.statements[name] = s
	return s, nil
}

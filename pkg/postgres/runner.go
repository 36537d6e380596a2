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

// statement is the prepared one, nil where nothing is prepared. To prepare one
// takes a connection: who has one, in a transaction, must not wait for another,
// since all who have the others may be doing the same.
func (r runner) statement(ctx context.Context, name string) (*sqlx.Stmt, error) {
	if r.tx == nil {
		return r.d.prepared.get(ctx, r.d, name)
	}
	s := r.d.prepared.ready(name)
	if s != nil {
		s = r.tx.StmtxContext(ctx, s)
	}
	return s, nil
}

// prepared are the statements of a pool; the pool prepares each of them on
// every connection that comes to use it. A nil one prepares nothing.
type prepared struct {
	preparing  sync.Mutex // held while preparing: nobody who has a connection waits for it
	mu         sync.Mutex // of statements
	statements map[string]*sqlx.Stmt
}

// ready is a statement that was prepared before, nil if it wasn't.
func (p *prepared) ready(name string) *sqlx.Stmt {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statements[name]
}

func (p *prepared) get(ctx context.Context, d *DB, name string) (*sqlx.Stmt, error) {
	if p == nil {
		return nil, nil
	}
	if s := p.ready(name); s != nil {
		return s, nil
	}
	p.preparing.Lock()
	defer p.preparing.Unlock()
	if s := p.ready(name); s != nil {
		return s, nil
	}
	s, err := d.PreparexContext(ctx, db.Query(name))
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statements[name] = s
	return s, nil
}

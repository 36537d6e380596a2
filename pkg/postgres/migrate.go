package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"tillhook/db"
)

// migrationLock is the key of the advisory lock under which migrations run, so
// that several processes may start at once.
const migrationLock = 0x7111_4001

// Migration is one step of the schema.
type Migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"appliedAt"` // nil while it is pending
}

// MigrateUp applies every pending migration and answers with those.
func (d *DB) MigrateUp(ctx context.Context) ([]Migration, error) {
	p, err := d.goose()
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrating up: %w", err)
	}
	return applied(results), nil
}

// MigrateDown takes back the newest migration, with the data that it holds.
func (d *DB) MigrateDown(ctx context.Context) ([]Migration, error) {
	p, err := d.goose()
	if err != nil {
		return nil, err
	}
	current, _, err := p.GetVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the schema version: %w", err)
	}
	if current == 0 {
		return nil, nil
	}
	result, err := p.Down(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrating down: %w", err)
	}
	return applied([]*goose.MigrationResult{result}), nil
}

// ErrSchema says that the database's schema is older than this program.
var ErrSchema = errors.New("the database's schema is older than this program: ops migrate up")

// CheckSchema reports whether the database has the schema that this program
// needs. A newer one will do: migrations run before the programs that need
// them.
func (d *DB) CheckSchema(ctx context.Context) error {
	var version int64
	err := d.GetContext(ctx, &version, db.Query("schema_version"))
	if err != nil && !SchemaMissing(err) {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	if version < db.Version() {
		return fmt.Errorf("%w (it is at %d, want %d)", ErrSchema, version, db.Version())
	}
	return nil
}

// MigrationStatus lists all migrations, oldest first.
func (d *DB) MigrationStatus(ctx context.Context) ([]Migration, error) {
	p, err := d.goose()
	if err != nil {
		return nil, err
	}
	states, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	all := make([]Migration, len(states))
	for i, s := range states {
		all[i] = Migration{Version: s.Source.Version, Name: s.Source.Path}
		if s.State == goose.StateApplied {
			all[i].AppliedAt = &s.AppliedAt
		}
	}
	return all, nil
}

func (d *DB) goose() (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock))
	if err != nil {
		return nil, fmt.Errorf("preparing the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, d.DB.DB, db.Migrations(), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return p, nil
}

func applied(results []*goose.MigrationResult) []Migration {
	var all []Migration
	for _, r := range results {
		now := time.Now()
		all = append(all, Migration{Version: r.Source.Version, Name: r.Source.Path, AppliedAt: &now})
	}
	return all
}

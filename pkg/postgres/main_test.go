package postgres_test

import (
	"context"
	"database/sql"
	"testing"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
)

// migrated is a fresh database with the whole schema.
func migrated(t *testing.T) *postgres.DB {
	t.Helper()
	return open(t, devstack.Database(t, migrate))
}

func migrate(url string) error {
	db, err := postgres.Open(url, postgres.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.MigrateUp(context.Background())
	return err
}

func open(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(url, postgres.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func exec(t *testing.T, db *postgres.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// begun is a transaction that has run statements, and is rolled back at the end of
// the test unless that has ended it.
func begun(t *testing.T, db *postgres.DB, statements ...string) *sql.Tx {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	for _, statement := range statements {
		if _, err := tx.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return tx
}

func get[T any](t *testing.T, db *postgres.DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.Get(&v, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

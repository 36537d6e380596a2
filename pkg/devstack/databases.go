package devstack

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync"

	_ "github.com/lib/pq" // the "postgres" driver
)

// databasePrefix begins the name of every database made here. What bears it on
// a shared server is ours to remove once the process that made it is gone.
const databasePrefix = "tillhook_test_"

// databases makes and drops databases on one server for the tests of this
// process. On a server that several processes share, each has its own names.
type databases struct {
	server *url.URL // of the database to give orders from
	owner  string   // the prefix of this process's names

	// postgres is held on to: collected as garbage, its pipe to the supervisor
	// would be closed, and that ends the server.
	postgres *Postgres

	mu        sync.Mutex // held while a template is migrated or copied
	templates map[uintptr]*template
	made      int

	// presence is an open connection that bears owner as its name, for other
	// processes to see that owner lives. It is a bare driver connection since a
	// sql.DB has goroutines, which a test's check for leaked ones would find.
	presence driver.Conn
}

// template is a database with the migrations applied, or the reason why not.
type template struct {
	name string
	err  error
}

func newDatabases(server string) (*databases, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// Not showing it: it holds a password.
		return nil, errors.New("DATABASE_URL is not of the form postgres://user:password@host:port/name")
	}
	return &databases{
		server: u, owner: databasePrefix + strings.ToLower(newPassword()[:16]),
		templates: make(map[uintptr]*template),
	}, nil
}

// create makes a fresh database and returns its name and URL. With migrate it is
// a copy of a template that migrate was run on, once: each function has one
// template, so migrate must do the same at every call.
func (d *databases) create(ctx context.Context, migrate func(databaseURL string) error) (name, databaseURL string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := "template0"
	if migrate != nil {
		key := reflect.ValueOf(migrate).Pointer()
		if d.templates[key] == nil {
			t := &template{}
			t.name, t.err = d.migrated(ctx, migrate)
			d.templates[key] = t
		}
		t := d.templates[key]
		if t.err != nil {
			return "", "", t.err
		}
		from = t.name
	}
	name, err = d.copy(ctx, from)
	return name, d.url(name), err
}

// migrated makes a database, migrates it, and closes it to everyone: a database
// with a connection cannot be copied, and migrate's pool may take a moment to
// let go of its own.
func (d *databases) migrated(ctx context.Context, migrate func(string) error) (string, error) {
	name, err := d.copy(ctx, "template0")
	if err != nil {
		return "", err
	}
	if err := migrate(d.url(name)); err != nil {
		return "", errors.Join(fmt.Errorf("migrating the template database: %w", err), d.drop(ctx, name))
	}
	return name, d.run(ctx, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '"+name+"'")
}

// copy makes a database with the next name. Locale and encoding are fixed, so
// that texts sort alike on every server.
func (d *databases) copy(ctx context.Context, from string) (string, error) {
	d.made++
	name := fmt.Sprintf("%s_%d", d.owner, d.made)
	err := d.run(ctx, "CREATE DATABASE "+name+" TEMPLATE "+from+" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	return name, err
}

// drop removes a database of this process and cuts off who is still connected.
func (d *databases) drop(ctx context.Context, name string) error {
	return d.run(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

func (d *databases) url(name string) string {
	u := *d.server
	u.Path = "/" + name
	return u.String()
}

// run executes statements, each in a transaction of its own, as CREATE DATABASE
// wants it. The pool lives only as long as the call; see presence.
func (d *databases) run(ctx context.Context, statements ...string) error {
	db, err := sql.Open("postgres", d.server.String())
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("running %q: %w", statement, err)
		}
	}
	return nil
}

// join prepares for a server that other processes use as well: it announces
// this one, and drops what processes that are gone have left. Templates are
// always left, since no process knows which of its tests is the last.
func (d *databases) join(ctx context.Context) error {
	db, err := sql.Open("postgres", d.server.String())
	if err != nil {
		return err
	}
	defer db.Close()
	named := *d.server
	query := named.Query()
	query.Set("application_name", d.owner)
	named.RawQuery = query.Encode()
	if d.presence, err = db.Driver().Open(named.String()); err != nil {
		return err
	}
	// First the databases, then who lives: a database appears after its owner.
	// Of our own role only, since the names of others' connections are hidden.
	left, err := column(ctx, db, `SELECT datname FROM pg_database WHERE left(datname, $2) = $1
		AND datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)`)
	if err != nil {
		return err
	}
	living, err := column(ctx, db, `SELECT application_name FROM pg_stat_activity WHERE left(application_name, $2) = $1`)
	if err != nil {
		return err
	}
	for _, name := range left {
		if !ownedByAny(name, living) {
			// Without FORCE, lest a mistake cut anyone off, and without a
			// complaint: another process may be dropping it too.
			_, _ = db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
		}
	}
	return nil
}

func ownedByAny(name string, owners []string) bool {
	for _, owner := range owners {
		if strings.HasPrefix(name, owner+"_") {
			return true
		}
	}
	return false
}

// column returns the names that begin with databasePrefix.
func column(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, databasePrefix, len(databasePrefix))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Package db holds the product's SQL: migrations, applied in their order, and
// queries, one statement a file. Go code names a query by its file.
package db

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed queries/*.sql
var queries embed.FS

// Migrations is the folder of migrations, for goose.
func Migrations() fs.FS { return sub(migrations, "migrations") }

// Version is the number of the newest migration: the schema that this program
// was written for.
func Version() int64 {
	files, err := fs.Glob(Migrations(), "*.sql")
	if err != nil || len(files) == 0 {
		panic("db: no migrations") // the folder is compiled in
	}
	number, _, _ := strings.Cut(files[len(files)-1], "_") // sorted by name
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		panic(err)
	}
	return version
}

// Queries is the folder of queries, for the test that prepares every one.
func Queries() fs.FS { return sub(queries, "queries") }

// Query is the statement in queries/<name>.sql, without the comment above it
// and with its name before it, which is what pg_stat_activity and the server's
// log then begin with. It panics if there is none: the name is a constant of
// the program and the file is compiled in.
func Query(name string) string {
	q, ok := named[name]
	if !ok {
		panic(fmt.Sprintf("db: no query %q", name))
	}
	return q
}

var named = func() map[string]string {
	entries, err := queries.ReadDir("queries")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	all := make(map[string]string, len(entries))
	for _, e := range entries {
		text, err := queries.ReadFile("queries/" + e.Name())
		if err != nil {
			panic(err)
		}
		statement := string(text)
		for strings.HasPrefix(statement, "--") {
			_, statement, _ = strings.Cut(statement, "\n")
		}
		name := strings.TrimSuffix(e.Name(), ".sql")
		all[name] = "/* " + name + " */ " + strings.TrimSpace(statement)
	}
	return all
}()

func sub(f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		panic(err) // dir is a constant
	}
	return s
}

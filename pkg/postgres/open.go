// Package postgres is the only package that speaks to the database: it stores
// deliveries, keeps the ledger of orders and payments, and reads configuration.
// Each statement is a file in db/queries.
package postgres

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// What SQL calls infinity, as who never wants a secret to end may write it, is the
// beginning or the end of the years that all others can read. Without this it can't
// be read at all: one such row would hide everybody's. Neither is the zero time, which
// says that there is none.
func init() {
	pq.EnableInfinityTs(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
}

// Options bound a connection pool. The zero value of a field takes the default.
type Options struct {
	Name             string        // application_name, as pg_stat_activity shows it
	MaxConns         int           // default 8; connection_limit in the URL, 2 at the least, goes before it
	ConnectTimeout   time.Duration // default 2 s: a dead server must be noticed within a request
	StatementTimeout time.Duration // default 10 s: no statement of ours takes longer unless something is wrong
	LockTimeout      time.Duration // default 2 s: whoever holds a row that long is to be waited for by one event, not by all
	Batches          bool          // for statements that are run over and over with keys: prepared, and by indexes only
	PingInterval     time.Duration // default 15 s: on a connection that listens, silence is no sign of life
}

// DB is a pool of connections.
type DB struct {
	*sqlx.DB
	dsn      string // for the connection that listens, which is outside the pool
	pingIdle time.Duration
	maxConns int
	circuit  *circuit
	lines    *lines
	prepared *prepared // nil unless the pool is for batches
	ears     sync.Map  // *lastDialer of every connection that listens
}

const (
	// leastConns is what a connection_limit is taken for that is less: the janitor
	// keeps one connection for its lock, and works by another.
	leastConns = 2

	defaultStatementTimeout = 10 * time.Second
	// answerSlack is how much longer than a statement may take its answer is
	// waited for: after that the connection is dead, whatever TCP believes.
	answerSlack = 2 * time.Second
)

// Open makes a pool for databaseURL. It doesn't connect: a server that is
// away is an error of the first statement, not of the start.
func Open(databaseURL string, o Options) (*DB, error) {
	dsn, maxConns, err := dataSource(databaseURL, o)
	if err != nil {
		return nil, err
	}
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	made := &lines{open: map[*line]struct{}{}}
	connector.Dialer(dialer{readWithin: cmp.Or(o.StatementTimeout, defaultStatementTimeout) + answerSlack, lines: made})
	c := newCircuit(beginner{connector})
	db := sqlx.NewDb(sql.OpenDB(c), "postgres")
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	d := &DB{DB: db, dsn: dsn, pingIdle: cmp.Or(o.PingInterval, 15*time.Second), maxConns: maxConns, circuit: c, lines: made}
	if o.Batches && !behindPgBouncer(databaseURL) {
		d.prepared = &prepared{statements: map[string]*sqlx.Stmt{}}
	}
	return d, nil
}

// behindPgBouncer is what Prisma's parameter of that name says: a connection may
// be another one in the next transaction, and have no statement prepared.
func behindPgBouncer(databaseURL string) bool {
	u, err := url.Parse(databaseURL)
	return err == nil && u.Query().Get("pgbouncer") == "true"
}

// ErrURL says that a DATABASE_URL is not one. The URL holds a password, so
// neither the error nor its text repeats it.
var ErrURL = errors.New("want postgres://user:password@host:port/database")

// dataSource translates a URL as operators have it, Prisma's parameters
// included, into one that lib/pq and the server take.
func dataSource(databaseURL string, o Options) (string, int, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", 0, ErrURL
	}
	maxConns := o.MaxConns
	if maxConns == 0 {
		maxConns = 8
	}
	q := u.Query()
	if n, err := strconv.Atoi(q.Get("connection_limit")); err == nil && n > 0 {
		maxConns = max(n, leastConns)
	}
	if schema := q.Get("schema"); schema != "" {
		q.Set("search_path", pq.QuoteIdentifier(schema))
	}
	for _, prisma := range []string{"schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size", "sslaccept"} {
		q.Del(prisma)
	}
	setDefault := func(key, value string) {
		if q.Get(key) == "" {
			q.Set(key, value)
		}
	}
	hostList(u, q)
	// After a failover the old primary may still answer, and take no writes: a
	// connection to it is none, and the next host in the list is tried.
	setDefault("target_session_attrs", "read-write")
	// One []byte parameter then goes over the wire as it is instead of as hex.
	q.Set("binary_parameters", "yes")
	// Every statement of ours names its rows. A planner that takes a random read
	// for four times a sequential one reads a table whole while it is small, and
	// a batch that does so costs more with every order.
	setDefault("random_page_cost", "1.1")
	setDefault("jit", "off")
	if o.Batches {
		// A plan that is made once, perhaps for empty tables without statistics,
		// must do for full ones: row by row, by the keys that are given.
		setDefault("plan_cache_mode", "force_generic_plan")
		for _, way := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
			setDefault(way, "off")
		}
	}
	setDefault("sslmode", "prefer")
	setDefault("application_name", cmp.Or(o.Name, "tillhook"))
	setDefault("connect_timeout", seconds(o.ConnectTimeout, 2*time.Second))
	setDefault("statement_timeout", milliseconds(o.StatementTimeout, defaultStatementTimeout))
	setDefault("lock_timeout", milliseconds(o.LockTimeout, 2*time.Second))
	// A transaction whose process hangs must not hold an order's lock.
	setDefault("idle_in_transaction_session_timeout", milliseconds(0, 30*time.Second))
	u.RawQuery = q.Encode()
	return u.String(), maxConns, nil
}

// hostList puts several hosts, each with its port, where lib/pq understands
// them: it takes a URL's host for one.
func hostList(u *url.URL, q url.Values) {
	if !strings.Contains(u.Host, ",") {
		return
	}
	var hosts, ports []string
	for address := range strings.SplitSeq(u.Host, ",") {
		host, port, found := strings.Cut(address, ":")
		if !found {
			port = "5432"
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	q.Set("host", strings.Join(hosts, ","))
	q.Set("port", strings.Join(ports, ","))
	u.Host = ""
}

func seconds(d, def time.Duration) string {
	if d == 0 {
		d = def
	}
	return strconv.Itoa(max(1, int(d/time.Second)))
}

func milliseconds(d, def time.Duration) string {
	if d == 0 {
		d = def
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

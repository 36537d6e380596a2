package app_test

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
)

// stage is the product as it is run: real processes, on services of its own
// that can be hurt, with a network in between that can be too.
type stage struct {
	*product
	postgres *devstack.Postgres
	redis    *devstack.Redis
	admin    *postgres.DB                // another database of the same server
	links    map[string]*toxiproxy.Proxy // "ingest-postgres", "worker-redis" …
	programs map[string]*program         // "ingest", "worker-1", "worker-2"
}

// program is one of the product's processes, and what it is started with again.
type program struct {
	name, metrics string
	env           []string
	*process
}

// The database of the product, which is not the one that orders are given from.
const chaosDatabase = "till"

func newStage(t *testing.T) *stage {
	t.Helper()
	redis, pg := devstack.LastingRedis(t), devstack.OwnPostgres(t)
	admin, err := postgres.Open(pg.URL, postgres.Options{Name: "admin", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	if _, err := admin.Exec("CREATE DATABASE " + chaosDatabase); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + chaosDatabase
	s := &stage{
		product:  prepare(t, parts{databaseURL: u.String(), redisURL: redis.URL}),
		postgres: pg, redis: redis, admin: admin, links: map[string]*toxiproxy.Proxy{}, programs: map[string]*program{},
	}
	// However the test ends, its servers must be able to.
	t.Cleanup(func() { _, _ = pg.Resume(), redis.Resume() })
	s.full()
	network := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	public := freePort(t)
	s.base = "http://127.0.0.1:" + public
	for _, name := range []string{"ingest", "worker-1", "worker-2"} {
		kind, _, _ := strings.Cut(name, "-")
		metrics := "127.0.0.1:" + freePort(t)
		s.programs[name] = &program{name: name, metrics: metrics, env: []string{
			"DATABASE_URL=" + s.through(network, kind+"-postgres", u.String()), "REDIS_URL=" + s.through(network, kind+"-redis", redis.URL),
			"PORT=" + public, "METRICS_ADDR=" + metrics, "RECOVER_AFTER=3s",
		}}
		s.run(name)
	}
	s.eventually("ingest answers", func() bool { return s.get("/health").status == http.StatusOK })
	return s
}

// full prepares a disk that can become full: for a table whose name is in
// another one. A trigger that is made when it is needed would have to wait for
// the table's locks.
func (s *stage) full() {
	s.Helper()
	for _, statement := range []string{
		`CREATE TABLE full_disk (name text)`,
		`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF EXISTS (SELECT FROM full_disk WHERE name = TG_TABLE_NAME) THEN
				RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';
			END IF;
			RETURN NULL;
		END $$`,
		`CREATE TRIGGER full_disk BEFORE INSERT ON "WebhookEvent" EXECUTE FUNCTION full_disk()`,
		`CREATE TRIGGER full_disk BEFORE UPDATE ON "Payment" EXECUTE FUNCTION full_disk()`,
	} {
		if _, err := s.db.Exec(statement); err != nil {
			s.Fatal(err)
		}
	}
}

// through is rawURL by way of a link, which is made if there is none yet.
func (s *stage) through(network *toxiproxy.ApiServer, link, rawURL string) string {
	s.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		s.Fatal(err)
	}
	proxy := s.links[link]
	if proxy == nil {
		proxy = toxiproxy.NewProxy(network, link, net.JoinHostPort("127.0.0.1", freePort(s.T)), u.Host)
		if err := proxy.Start(); err != nil {
			s.Fatal(err)
		}
		s.Cleanup(proxy.Stop)
		s.links[link] = proxy
	}
	u.Host = proxy.Listen
	return u.String()
}

// run starts a program, again if it was killed.
func (s *stage) run(name string) {
	s.Helper()
	p := s.programs[name]
	kind, _, _ := strings.Cut(name, "-")
	p.process = s.launch(kind, p.env...)
}

// kill ends a program as a crash of its machine would (SIGKILL).
func (s *stage) kill(name string) {
	s.Helper()
	p := s.programs[name]
	select {
	case err := <-p.exited:
		s.Fatalf("%s has ended by itself: %v", name, err)
	default:
	}
	if err := p.Process.Kill(); err != nil {
		s.Fatalf("killing %s: %v", name, err)
	}
	<-p.exited
}

// measure reads one of the Go runtime's or the process's own gauges.
func (s *stage) measure(name, gauge string) int {
	s.Helper()
	resp, err := s.client.Get("http://" + s.programs[name].metrics + "/metrics")
	if err != nil {
		return -1 // it is just starting
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		s.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if value, ok := strings.CutPrefix(line, gauge+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.Fatal(err)
			}
			return int(n)
		}
	}
	return -1
}

// connections is how many each of the programs has to the product's database,
// by application_name, without our own.
func (s *stage) connections() map[string]int {
	s.Helper()
	var rows []struct {
		Name  string `db:"name"`
		Count int    `db:"count"`
	}
	if err := s.admin.Select(&rows, `SELECT application_name AS name, count(*) FROM pg_stat_activity
		WHERE datname = $1 AND application_name NOT IN ($2, 'tillhook ops') GROUP BY 1`, chaosDatabase, s.Name()); err != nil {
		s.Fatal(err)
	}
	all := map[string]int{}
	for _, r := range rows {
		all[r.Name] = r.Count
	}
	return all
}

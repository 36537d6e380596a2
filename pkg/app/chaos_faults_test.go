package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// fault is something that breaks, and is mended after a while.
type fault struct {
	name         string
	hits         []string      // what is broken: two faults at a time must not meet
	long         time.Duration // lasts so long at the most, and a tenth of it at least
	strike, mend func()
}

// briefly is how long most faults last at the most.
const briefly = 1500 * time.Millisecond

// faults are one of each kind. pauses is how long a process may stand still, and
// round selects the link that each of the network's faults is on.
func (s *stage) faults(r *rand.Rand, pauses time.Duration, round int) []fault {
	all := append(s.crashes(), s.pauses(pauses)...)
	all = append(all, s.refusals()...)
	links := []string{"ingest-postgres", "worker-redis", "worker-postgres", "ingest-redis"}
	for i, kind := range []string{"delay", "cut", "reset", "refuse"} {
		all = append(all, s.network(kind, links[(i+round)%len(links)], r.IntN(2) == 0))
	}
	return all
}

func (s *stage) crashes() []fault {
	restart := func(names ...string) fault {
		return fault{name: "kill -9 " + strings.Join(names, " and "), hits: names, long: briefly,
			strike: func() {
				for _, name := range names {
					s.kill(name)
				}
			},
			mend: func() {
				for _, name := range names {
					s.run(name)
				}
			}}
	}
	return []fault{
		restart("ingest"), restart("worker-1"), restart("worker-1", "worker-2"),
		{name: "kill -9 Redis", hits: []string{"redis"}, long: briefly,
			strike: func() { s.must(s.redis.Kill()) }, mend: func() { s.must(s.redis.Start(s.Context())) }},
		{name: "kill -9 Postgres", hits: []string{"postgres"}, long: briefly,
			strike: func() { s.must(s.postgres.Kill()) }, mend: func() { s.must(s.postgres.Start(s.Context())) }},
		{name: "FLUSHALL", hits: []string{"redis"}, long: briefly, strike: s.flush, mend: func() {}},
	}
}

func (s *stage) pauses(long time.Duration) []fault {
	signal := func(signal syscall.Signal, names ...string) func() {
		return func() {
			for _, name := range names {
				s.must(s.programs[name].Process.Signal(signal))
			}
		}
	}
	return []fault{
		{"SIGSTOP ingest", []string{"ingest"}, long, signal(syscall.SIGSTOP, "ingest"), signal(syscall.SIGCONT, "ingest")},
		{"SIGSTOP workers", []string{"worker-1", "worker-2"}, long,
			signal(syscall.SIGSTOP, "worker-1", "worker-2"), signal(syscall.SIGCONT, "worker-1", "worker-2")},
		{"SIGSTOP Redis", []string{"redis"}, long, func() { s.must(s.redis.Pause()) }, func() { s.must(s.redis.Resume()) }},
		{"SIGSTOP Postgres", []string{"postgres"}, long, func() { s.must(s.postgres.Pause()) }, func() { s.must(s.postgres.Resume()) }},
	}
}

// refusals are what a Postgres says that runs and is of no use.
func (s *stage) refusals() []fault {
	full := func(table string) fault {
		return fault{"disk full for " + table, []string{"postgres"}, briefly,
			func() { s.insist(`INSERT INTO full_disk VALUES ('` + table + `')`) }, func() { s.insist(`DELETE FROM full_disk`) }}
	}
	return []fault{
		full("WebhookEvent"), full("Payment"),
		{"Postgres admits no one", []string{"postgres"}, briefly,
			func() {
				s.order("ALTER DATABASE " + chaosDatabase + " ALLOW_CONNECTIONS false")
				s.order("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + chaosDatabase + "'")
			},
			func() { s.order("ALTER DATABASE " + chaosDatabase + " ALLOW_CONNECTIONS true") }},
	}
}

// network breaks the link between a kind of program and a service. Where there
// is a choice, answers is which way is cut: a request that is lost was never
// made, but one whose answer is lost was.
func (s *stage) network(kind, link string, answers bool) fault {
	from, to, _ := strings.Cut(link, "-")
	f := fault{name: kind + " " + link, hits: []string{from, to, "worker-1", "worker-2"}, long: briefly}
	if from == "ingest" {
		f.hits = f.hits[:2]
	}
	proxy := s.links[link]
	toxic := func(form string, args ...any) {
		f.strike = func() {
			_, err := proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(form, args...)))
			s.must(err)
		}
		f.mend = func() { s.must(proxy.Toxics.RemoveToxic(context.Background(), "toxic")) }
	}
	way := "upstream"
	if answers {
		way = "downstream"
	}
	switch kind {
	case "delay":
		toxic(`{"name": "toxic", "type": "latency", "stream": %q, "attributes": {"latency": 250, "jitter": 200}}`, way)
	case "cut": // open, and nothing comes through
		toxic(`{"name": "toxic", "type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`, way)
	case "reset":
		toxic(`{"name": "toxic", "type": "reset_peer", "stream": %q, "attributes": {"timeout": 0}}`, way)
	case "refuse":
		f.strike, f.mend = proxy.Stop, func() { s.must(proxy.Start()) }
	}
	return f
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// insist runs a statement that may be repeated in the product's database.
func (s *stage) insist(statement string) {
	s.Helper()
	s.eventually(statement, func() bool { _, err := s.db.Exec(statement); return err == nil })
}

// order does so from outside of it.
func (s *stage) order(statement string) {
	s.Helper()
	s.eventually(statement, func() bool { _, err := s.admin.Exec(statement); return err == nil })
}

func (s *stage) flush() {
	options, err := redis.ParseURL(s.redis.URL)
	s.must(err)
	client := redis.NewClient(options)
	defer client.Close()
	s.must(client.FlushAll(s.Context()).Err())
}

// meet reports whether two faults are of one thing.
func meet(a, b fault) bool {
	return slices.ContainsFunc(a.hits, func(what string) bool { return slices.Contains(b.hits, what) })
}

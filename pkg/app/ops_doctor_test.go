package app_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/queue"
)

// examined runs the doctor and answers what a terminal shows, with what
// differs from server to server masked.
func (d *desk) examined(args ...string) (string, int) {
	d.Helper()
	out, code := d.run("", append([]string{"doctor"}, args...)...)
	for _, m := range append(masks, []struct {
		what *regexp.Regexp
		by   string
	}{
		{regexp.MustCompile(`version \d+(\.\d+)?( \([^)]*\))?\n`), "version V\n"},
		{regexp.MustCompile(`answers, maxmemory-policy noeviction(, append-only file)?`), "answers"},
		{regexp.MustCompile(`(?m)^( *partitions +)\d+,`), "${1}N,"},
		// Other tests share the machine, so that anything may be slow.
		{regexp.MustCompile(`  redis: Redis takes \S+ to answer\n    > [^\n]*\n`), ""},
		// The databases of tests need not survive a power cut.
		{regexp.MustCompile(`  postgres: (fsync|synchronous_commit|full_page_writes) is off[^>]*> ALTER[^\n]*\n`), ""},
		{regexp.MustCompile(`(?m)^\n\d+ faults?:\n`), "\nFAULTS:\n"},
		{regexp.MustCompile(`ops: \d+ faults? found`), "ops: FAULTS found"},
	}...) {
		out = m.what.ReplaceAllString(out, m.by)
	}
	return out, code
}

// finds compares all that the doctor says.
func (d *desk) finds(want string, args ...string) {
	d.Helper()
	got, code := d.examined(args...)
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" || code != 1 {
		d.Errorf("exit %d (-want +got)\n%s\n%s", code, diff, got)
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			d.Errorf("a line of %d characters: %s", n, line)
		}
	}
}

// tasks is the queue that the doctor looks at.
func (d *desk) tasks() *queue.Queue {
	d.Helper()
	q, err := queue.Open(strings.TrimPrefix(d.env[0], "REDIS_URL="))
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() {
		if err := q.Close(); err != nil {
			d.Error(err)
		}
	})
	return q
}

// paused pauses a queue as the panel does.
func (d *desk) paused(name string) {
	d.Helper()
	m := d.tasks().Monitor("", false)
	defer m.Close()
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/queues/"+name+":pause", nil))
	if rec.Code != http.StatusNoContent {
		d.Fatal(rec.Code, rec.Body)
	}
}

// The doctor finds each fault and says what mends it.
func TestOpsDoctor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env = []string{"REDIS_URL=" + devstack.RealRedis(t).URL}
	d.sealed("fine", keyA, d.secret("fine"), 12)
	d.delivered("fine", "current", "4 min 1 s")
	well, code := d.examined()
	for _, part := range []string{"configuration  complete, for development\n", "schema         the one that is needed, or newer\n", "clock          CLOCK\n",
		"redis          answers\n", "queue          0 waiting, 0 to be tried again, 0 archived\n",
		"tasks          0 old events and 0 tasks compared\n", "secrets        1 restaurant, 0 in the overlap of a rotation\n",
		"backlog        none\n", "orders         0 pending, 0 for more than a day\n", "silence        none\n"} {
		if !strings.Contains(well, part) {
			t.Errorf("where all is well, there is no %q in:\n%s", part, well)
		}
	}
	// But for settings that a test's server may have.
	if strings.Contains(well, "No faults.") != (code == 0) || code != 0 && !strings.HasSuffix(well, "\nFAULTS:\nops: FAULTS found\n") {
		t.Errorf("exit %d:\n%s", code, well)
	}

	d.sealed("old", keyA, d.secret("old"), 91)
	d.restaurant("empty", "")
	d.exec(`INSERT INTO "Order" (id, "restaurantId", "totalAmount", currency, "createdAt") VALUES ('o1', 'old', 1, 'eur', now() - interval '26 hours'), ('o2', 'old', 1, 'eur', now())`)
	d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey", "processedAt", "lastError") VALUES
		('e1', 'x', 'PROCESSING', 'old', '', now(), now() - interval '3 hours 1 min', 'e1', NULL, NULL),
		('e2', 'x', 'FAILED', 'old', '', now(), now() - interval '3 days', 'e2', now(), 'no such order'),
		('e3', 'x', 'VERIFICATION_FAILED', 'old', '', now(), now(), NULL, NULL, 'no secret matches'),
		('e4', 'x', 'NO_CONFIG', NULL, '', now(), now(), NULL, NULL, 'no such restaurant')`)
	d.exec(`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency) VALUES ('o3', 'old', 'EXPIRED', 1, 'eur')`)
	d.exec(`INSERT INTO "Payment" (id, "orderId", status, amount, currency) VALUES ('p3', 'o3', 'REVIEW', 1, 'eur')`)
	d.exec(`INSERT INTO "OrderTransition" ("orderId", "paymentId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason) VALUES ('o3', 'p3', 'EXPIRED', 'EXPIRED', 'EXPIRED', 'REVIEW', 'x')`)
	d.works("rk_live_"+strings.Repeat("a", 24), "secrets", "set-api-key", "old", "--stdin", "--commit")
	d.exec(`INSERT INTO "BackfillCursor" ("restaurantId", kind, since, "coveredUntil", "lastRunAt", "lastError") VALUES ('old', 'periodic', now(), now(), now() - interval '10 min 1 s', 'the API key is refused')`)
	d.exec(`DO $$ BEGIN EXECUTE (SELECT format('DROP TABLE %s', part) FROM tillhook_partitions() WHERE starts > now() ORDER BY starts LIMIT 1); END $$`)
	d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT 'n' || n, 'x', 'COMPLETED', 'old', '', now(), now() - n * interval '1 hour' - interval '20 min', 'n' || n FROM generate_series(9, 60) n`)
	tasks := d.tasks()
	if err := tasks.Enqueue(t.Context(), event.Ref{ID: "evt_nobody", OccurredAt: time.Now()}, "x"); err != nil {
		t.Fatal(err)
	}
	d.paused("low")
	d.finds(`
  configuration  complete, for development
  postgres       version V
  schema         the one that is needed, or newer
  clock          CLOCK
  secrets        3 restaurants, 0 in the overlap of a rotation
  partitions     N, with 0 events of absurd times in the default one
  backlog        1 unfinished event, the oldest 3 h
  orders         2 pending, 1 for more than a day
  payments       1 undecided
  asking Stripe  failed for 1 restaurant
  silence        none
  redis          answers
  queue          1 waiting, 0 to be tried again, 0 archived
  tasks          1 old event and 1 task compared

FAULTS:
  secrets: empty: there is no secret: deliveries are refused
    > ops secrets set empty --commit
  secrets: old: the secret is 91 days old
    > make a new endpoint in Stripe's Dashboard, then:
      ops secrets rotate old --commit
  partitions: this week or the next has no partition
    > the worker's janitor makes it: look at its log for what keeps it, and run
      a worker
  backlog: an event waits for 3 h to be worked off
    > look whether workers run and are ready (/readyz at METRICS_ADDR), and
      whether a queue is paused; one of type v1.… may wait for Stripe, which the
      worker's log says
  backlog: 1 event FAILED within the hour
    > ops events list --status FAILED --since 120h says why; when the cause is
      mended: ops events replay --status FAILED --since 120h --commit; other
      money than was asked for is not mended so: ops orders review
  backlog: 1 delivery row NO_CONFIG within the hour
    > ops events list --status NO_CONFIG --since 1h says why: mostly the URL in
      Stripe's Dashboard names no restaurant, or its secret is missing
  backlog: 1 delivery row VERIFICATION_FAILED within the hour
    > ops events list --status VERIFICATION_FAILED --since 1h says why
  orders: 1 order pending for more than a day
    > ops orders stuck --older 25h says why; then:
      ops orders reconcile --stuck --older 25h --commit
  payments: a human must decide on 1 payment
    > ops orders review
  asking Stripe: old, 10 min ago: the API key is refused
    > if the key is refused: ops secrets set-api-key old --commit; else see
      status.stripe.com
  queue: the queue low is paused: nobody works its tasks off
    > resume it on the panel's page Queues
  tasks: 1 event unfinished for more than N s, and without a task: e1
    > run cmd/worker: its recoverer makes the tasks; if one runs, its log says
      what keeps it
  tasks: 1 task without an event: evt_nobody
    > a few end by themselves when cmd/worker takes them, and archived ones can
      be deleted on the panel's page Queues; with many, REDIS_URL is not the one
      that belongs to DATABASE_URL
ops: FAULTS found
`)
	if err := tasks.Enqueue(t.Context(), event.Ref{ID: "e1", OccurredAt: time.Now()}, "x"); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.examined(); strings.Contains(got, "without a task") {
		t.Errorf("a task that is there is missed:\n%s", got)
	}
	d.exec(`UPDATE "BackfillCursor" SET "lastError" = NULL`)
	d.exec(`UPDATE "WebhookEvent" SET status = 'COMPLETED', "createdAt" = now() - interval '9 hours 20 min' WHERE id IN ('e1', 'e2')`)
	d.finds(`
  configuration  complete, for development
  postgres       version V
  schema         the one that is needed, or newer
  clock          CLOCK
  secret         sealed, 38 characters, fingerprint efc44e2e9245afb4
  last delivery  9 h ago
  last success   9 h ago; backlog: none
  failures       1 within a day
  orders         1 stuck
  asking Stripe  no failure the last time
  rhythm         longest gap 60 min in two weeks; silence begins after 6 h

FAULTS:
  secret: the secret is 91 days old
    > make a new endpoint in Stripe's Dashboard, then:
      ops secrets rotate old --commit
  failures: 1 VERIFICATION_FAILED: no secret matches
    > ops secrets check old
  orders: 1 order pending for more than a day
    > ops orders stuck --older 25h --restaurant old says why; then:
      ops orders reconcile --stuck --older 25h --restaurant old --commit
  rhythm: old has had no delivery for 9 h, and never for more than 60 min in two
  weeks
    > look whether its endpoint is enabled in Stripe's Dashboard; what was
      missed: ops backfill --since 24h --restaurant old
ops: FAULTS found
`, "--restaurant", "old")
	if out, code := d.examined("--restaurant", "nobody"); code == 0 || !strings.Contains(out, "nobody") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// An index that was made under another order of texts may not find what is in it,
// and a key that is unique by it is not.
func TestOpsDoctorKnowsThatTextsSortOtherwise(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const fault = "postgres: the server sorts texts otherwise than when the indexes were made"
	if out, _ := d.examined(); strings.Contains(out, fault) {
		t.Errorf("nothing has changed:\n%s", out)
	}
	d.exec(`UPDATE pg_database SET datcollversion = '153.14' WHERE datname = current_database()`)
	out, code := d.examined()
	mends := regexp.MustCompile(`> REINDEX DATABASE CONCURRENTLY (\w+); then: ALTER DATABASE (\w+) REFRESH COLLATION VERSION;`)
	if !strings.Contains(out, fault) || !mends.MatchString(strings.Join(strings.Fields(out), " ")) || code != 1 {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// What is missing is a fault like others: the rest is looked at all the same.
func TestOpsDoctorWithoutServices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var got struct {
		Findings []struct {
			What, Says string
			Faults     []struct{ Problem, Remedy string }
		}
		Faults int
	}
	words := func(args ...string) map[string]string {
		t.Helper()
		got.Findings = nil
		d.json(&got, "", append([]string{"doctor"}, args...)...)
		all := map[string]string{}
		for _, f := range got.Findings {
			if f.What == "postgres" && f.Says != "can't be reached" || f.What == "clock" || f.What == "partitions" {
				continue
			}
			for _, one := range f.Faults {
				f.Says += " > " + one.Remedy
			}
			all[f.What] = f.Says
		}
		return all
	}
	expect := func(when string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, words()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
	}
	const set = "can't be used > set it in the environment of the services, and of this command"
	schema, rest := "the one that is needed, or newer", map[string]string{
		"secrets": "0 restaurants, 0 in the overlap of a rotation", "backlog": "none", "orders": "0 pending, 0 for more than a day",
		"payments": "0 undecided", "asking Stripe": "no failure the last time", "silence": "none"}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{"schema": schema}
		for _, m := range []map[string]string{rest, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	expect("no REDIS_URL", with(map[string]string{"configuration": set}))
	d.env = []string{"REDIS_URL=redis://127.0.0.1:1"}
	redis := "can't be reached > check REDIS_URL, the network, and whether the server runs; no event is lost meanwhile"
	expect("Redis is away", with(map[string]string{"configuration": "complete, for development", "redis": redis}))
	d.exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	expect("an older schema", map[string]string{"configuration": "complete, for development", "redis": redis, "schema": "not the one that is needed > ops migrate up"})
	d.env = append(d.env, "DATABASE_URL=postgres://127.0.0.1:1/x")
	expect("Postgres is away", map[string]string{"configuration": "complete, for development", "redis": redis,
		"postgres": "can't be reached > check DATABASE_URL, the network, and whether the server runs"})
}

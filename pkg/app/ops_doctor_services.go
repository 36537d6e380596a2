package app

import (
	"context"
	"fmt"
	"time"

	"tillhook/pkg/queue"
)

// maxRedisPing is from when on Redis holds up the work: a task costs several
// round trips.
const maxRedisPing = 50 * time.Millisecond

// maxCompared is how many unfinished events, and how many tasks of each queue
// and state, are compared with one another: a second or two.
const maxCompared = 1000

// postgres looks at the server, and reports whether there is anything behind it
// to be looked at.
func (p *patient) postgres(ctx context.Context) bool {
	if err := p.db.PingContext(ctx); err != nil {
		p.add("postgres", "can't be reached", fault{err.Error(), "check DATABASE_URL, the network, and whether the server runs"})
		return false
	}
	p.look("postgres", func() (string, []fault, error) {
		s, err := p.db.Server(ctx)
		if err != nil {
			return "", nil, err
		}
		var faults []fault
		for _, setting := range []struct {
			on   bool
			name string
		}{{s.Fsync, "fsync"}, {s.SynchronousCommit, "synchronous_commit"}, {s.FullPageWrites, "full_page_writes"}} {
			if !setting.on {
				faults = append(faults, fault{setting.name + " is off: what was answered with 200 may not survive a power cut",
					"ALTER SYSTEM SET " + setting.name + " = on; SELECT pg_reload_conf();"})
			}
		}
		if s.Resorts() {
			faults = append(faults, fault{"the server sorts texts otherwise than when the indexes were made: a unique key may let a duplicate in",
				"REINDEX DATABASE CONCURRENTLY " + s.Database + "; then: ALTER DATABASE " + s.Database + " REFRESH COLLATION VERSION;"})
		}
		return "version " + s.Version, faults, nil
	})
	if err := p.db.CheckSchema(ctx); err != nil {
		p.add("schema", "not the one that is needed", fault{err.Error(), "ops migrate up"})
		return false
	}
	p.add("schema", "the one that is needed, or newer")
	p.look("clock", func() (string, []fault, error) {
		before := p.o.now()
		theirs, err := p.db.Clock(ctx)
		c := compareClocks(before, p.o.now(), theirs)
		return c.String(), c.Faults, err
	})
	return true
}

// redis looks at the queue and what it lives in and, with a database that can be
// read, at whether the two agree.
func (p *patient) redis(ctx context.Context, database bool) {
	if p.cfg.RedisURL == "" {
		return // a fault of the configuration
	}
	tasks, err := openQueue(p.cfg)
	if err != nil {
		return // likewise
	}
	defer tasks.Close()
	r, err := tasks.Redis(ctx)
	if err != nil {
		p.add("redis", "can't be reached", fault{err.Error(), "check REDIS_URL, the network, and whether the server runs; no event is lost meanwhile"})
		return
	}
	says := "answers"
	var faults []fault
	if r.Policy != "" {
		says += ", maxmemory-policy " + r.Policy
		if r.AOF {
			says += ", append-only file"
		}
	}
	if r.Policy != "" && r.Policy != "noeviction" {
		faults = append(faults, fault{"Redis may drop parts of tasks when its memory is full", "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"})
	}
	if !r.SavedFine {
		faults = append(faults, fault{"Redis could not save its data the last time, and may refuse writes", "look at the disk and the log of Redis; redis-cli BGSAVE"})
	}
	if r.Ping > maxRedisPing {
		faults = append(faults, fault{fmt.Sprintf("Redis takes %s to answer", r.Ping.Round(time.Millisecond)), "look at its load and the network: redis-cli --latency"})
	}
	p.add("redis", says, faults...)
	p.look("queue", func() (string, []fault, error) { return queueFaults(ctx, tasks) })
	if database {
		p.look("tasks", func() (string, []fault, error) { return p.tasks(ctx, tasks) })
	}
}

func queueFaults(ctx context.Context, tasks *queue.Queue) (string, []fault, error) {
	queues, err := tasks.State(ctx)
	var waiting, retry, archived int
	var latency time.Duration
	var faults []fault
	for _, q := range queues {
		waiting, retry, archived = waiting+q.Pending+q.Active, retry+q.Retry+q.Scheduled, archived+q.Archived
		latency = max(latency, q.Latency)
		if q.Paused {
			faults = append(faults, fault{"the queue " + q.Name + " is paused: nobody works its tasks off", "resume it on the panel's page Queues"})
		}
	}
	if archived > 0 {
		faults = append(faults, fault{plural(archived, "archived task") + ": what they were for is FAILED",
			failedRemedy + "; what is done with can be deleted on the panel's page Queues"})
	}
	if latency > time.Minute {
		faults = append(faults, fault{"a task waits for " + span(latency), "run more workers, or raise WORKER_CONCURRENCY"})
	}
	return fmt.Sprintf("%d waiting, %d to be tried again, %d archived", waiting, retry, archived), faults, err
}

// tasks compares the queue with the stored events, as far as maxCompared.
func (p *patient) tasks(ctx context.Context, tasks *queue.Queue) (string, []fault, error) {
	age := p.cfg.RecoverAfter + recoverInterval(p.cfg)
	unfinished, err := p.db.OldestUnfinished(ctx, age, maxCompared)
	if err != nil {
		return "", nil, err
	}
	without, err := tasks.WithoutTask(ctx, unfinished)
	if err != nil {
		return "", nil, err
	}
	ids, err := tasks.TaskIDs(ctx, maxCompared)
	if err != nil {
		return "", nil, err
	}
	absent, err := p.db.AbsentEvents(ctx, ids)
	var faults []fault
	if n := len(without); n > 0 {
		faults = append(faults, fault{fmt.Sprintf("%s unfinished for more than %s, and without a task: %s", plural(n, "event"), span(age), several(without)),
			"run cmd/worker: its recoverer makes the tasks; if one runs, its log says what keeps it"})
	}
	if n := len(absent); n > 0 {
		faults = append(faults, fault{fmt.Sprintf("%s without an event: %s", plural(n, "task"), several(absent)),
			"a few end by themselves when cmd/worker takes them, and archived ones can be deleted on the panel's page Queues; " +
				"with many, REDIS_URL is not the one that belongs to DATABASE_URL"})
	}
	return fmt.Sprintf("%s and %s compared", plural(len(unfinished), "old event"), plural(len(ids), "task")), faults, err
}

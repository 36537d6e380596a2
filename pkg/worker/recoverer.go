package worker

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Backlog finds stored events that are not finished. Many workers look at once:
// each claims what it looks after, and a claim ends by itself.
type Backlog interface {
	// ClaimUnfinished pages through those older than age that nobody has
	// claimed, oldest first. An empty page is the end.
	ClaimUnfinished(ctx context.Context, age, claim time.Duration, after event.Unfinished, limit int) ([]event.Unfinished, error)
	// MoveClaims lets the claims end after a time of their own each.
	MoveClaims(ctx context.Context, ids []string, after []time.Duration) error
	// EndClaims forgets the claims that are over.
	EndClaims(ctx context.Context) error
}

// Requeuer makes tasks for the events that have none that will run.
type Requeuer interface {
	Requeue(ctx context.Context, events []event.Unfinished) []event.Task
}

// RecovererConfig says how eager the recoverer is.
type RecovererConfig struct {
	Age      time.Duration // how long an event may be PROCESSING before it is looked after, and again, default 30 s
	Interval time.Duration // between two passes, default 10 s
}

const (
	recovererPage = 500 // events that are looked after at a time

	// While the queue is long a worker keeps its page and asks again. If nothing
	// moves at all the queue is at a halt, perhaps an operator's, and the pass
	// goes on to the others without waiting again.
	recovererPause    = 20 * time.Millisecond
	recovererPatience = 2 * time.Second

	// recovererBarren is how many pages in a row may fail as a whole before a
	// pass is given up: then it is not the pages, Redis is away.
	recovererBarren = 3

	// longestLook bounds the time for which an event that waits for its next
	// attempt is let alone. Should Redis be emptied meanwhile, it is this much
	// late at the most.
	longestLook = 5 * time.Minute
)

// Recoverer puts into the queue what is stored but has no task: Redis was away
// when it came, or has lost its memory since.
type Recoverer struct {
	cfg     RecovererConfig
	backlog Backlog
	queue   Requeuer
	metrics *telemetry.Metrics
	log     *slog.Logger
	trouble bool // the last pass had some, and it has been said
}

// NewRecoverer fills in the defaults of cfg.
func NewRecoverer(cfg RecovererConfig, b Backlog, q Requeuer, m *telemetry.Metrics, log *slog.Logger) *Recoverer {
	if cfg.Age == 0 {
		cfg.Age = 30 * time.Second
	}
	if cfg.Interval == 0 {
		cfg.Interval = 10 * time.Second
	}
	return &Recoverer{cfg: cfg, backlog: b, queue: q, metrics: m, log: log}
}

// Run looks every interval until ctx ends.
func (r *Recoverer) Run(ctx context.Context) {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := pass{Recoverer: r}
		p.run(ctx)
		if ctx.Err() == nil {
			r.report(p)
		}
	}
}

// report logs a pass that changed something. A trouble is said when it begins
// and when it is over, however many passes it lasts.
func (r *Recoverer) report(p pass) {
	if p.made > 0 || p.mended > 0 {
		r.log.Info("recovered events that had no task", "events", p.made, "ghosts", p.mended)
	}
	if p.err != nil && !r.trouble {
		r.log.Warn("some events could not be looked after, trying again until all can", "events", p.failed, "error", p.err)
	}
	if p.err == nil && r.trouble {
		r.log.Info("events can be looked after again")
	}
	r.trouble = p.err != nil
}

// pass is one way through everything that waits and that nobody else looks
// after.
type pass struct {
	*Recoverer
	made, mended, failed int
	err                  error // the first
	halted               bool  // nothing moves in some queue
}

func (p *pass) run(ctx context.Context) {
	if p.err = p.backlog.EndClaims(ctx); p.err != nil {
		return
	}
	var last event.Unfinished
	for barren := 0; barren < recovererBarren; {
		page, err := p.backlog.ClaimUnfinished(ctx, p.cfg.Age, p.cfg.Age, last, recovererPage)
		if p.err = cmp.Or(p.err, err); err != nil || len(page) == 0 {
			return
		}
		failed := p.failed
		p.page(ctx, page)
		if barren++; p.failed-failed < len(page) {
			barren = 0
		}
		if ctx.Err() != nil {
			return
		}
		last = page[len(page)-1]
	}
}

// page looks after one page, and waits for room for all of it.
func (p *pass) page(ctx context.Context, page []event.Unfinished) {
	var ids []string
	var after []time.Duration
	move := func(e event.Unfinished, d time.Duration) { ids, after = append(ids, e.ID), append(after, d) }
	for idle := time.Duration(0); len(page) > 0; idle += recovererPause {
		var full []event.Unfinished
		made := p.made
		for i, t := range p.queue.Requeue(ctx, page) {
			p.count(t)
			switch {
			case t.Err != nil:
				move(page[i], 0)
			case t.Full:
				full = append(full, page[i])
			case !t.Next.IsZero():
				move(page[i], min(max(time.Until(t.Next), p.cfg.Age), longestLook))
			}
		}
		page = full
		if p.made > made {
			idle = 0
		}
		p.halted = p.halted || idle >= recovererPatience
		if len(page) == 0 || p.halted || !wait(ctx, recovererPause) {
			break
		}
	}
	for _, e := range page {
		move(e, 0)
	}
	if len(ids) > 0 {
		p.err = cmp.Or(p.err, p.backlog.MoveClaims(ctx, ids, after))
	}
}

func (p *pass) count(t event.Task) {
	if t.Made {
		p.made++
		p.metrics.Recovered.Inc()
	}
	if t.Mended {
		p.mended++
		p.metrics.Mended.Inc()
	}
	if t.Err != nil {
		p.failed++
		p.metrics.Unrecovered.Inc()
		p.err = cmp.Or(p.err, t.Err)
	}
}

// wait waits for d, and reports false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

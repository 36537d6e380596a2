// Package health says whether a process can do its work: to whoever balances
// its load in a word, to whoever mends it in detail.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// age is how old an answer may be: anyone may poll, as fast as they like.
	age = time.Second

	// patience is how long one check may take. It is a service's fault if that
	// is not enough, and whoever polls has the answer soon after.
	patience = time.Second
)

// Check is one thing that a process wants of the world.
type Check struct {
	Name string
	// Needed says that nothing works without it. What isn't needed is told of,
	// and makes nobody unready.
	Needed bool
	Run    func(ctx context.Context) error
}

// Checks looks at all of them at once, and no oftener than every second.
type Checks struct {
	checks   []Check
	stopping atomic.Bool

	mu     sync.Mutex
	at     time.Time
	latest Report
}

// New makes checks that nobody has run yet.
func New(checks ...Check) *Checks { return &Checks{checks: checks} }

// Report is what a look has found.
type Report struct {
	Status string            `json:"status"` // ok; degraded, when only what isn't needed fails; unavailable; stopping
	Checks map[string]Result `json:"checks"`
}

// Result is one check's.
type Result struct {
	OK     bool    `json:"ok"`
	Needed bool    `json:"needed"`
	Millis float64 `json:"ms"`
	Error  string  `json:"error,omitempty"`
}

// Ready reports whether everything that is needed is there, and the process is
// to stay.
func (c *Checks) Ready(ctx context.Context) bool {
	return !c.Stopping() && c.Look(ctx).Status != "unavailable"
}

// Stop makes the process unready for good: it still works, but is about to end,
// and whoever balances its load is to send no more.
func (c *Checks) Stop() { c.stopping.Store(true) }

// Stopping reports whether Stop was called.
func (c *Checks) Stopping() bool { return c.stopping.Load() }

// Look answers with the latest report, or makes one if it is too old. Who asks
// meanwhile waits for the same one.
func (c *Checks) Look(ctx context.Context) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) > age {
		// One poller that goes away must not spoil the others' answer.
		c.latest = c.run(context.WithoutCancel(ctx))
		c.at = time.Now()
	}
	return c.latest
}

func (c *Checks) run(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results := make([]chan Result, len(c.checks))
	for i, check := range c.checks {
		results[i] = make(chan Result, 1) // nobody may be there any more
		go func() { results[i] <- check.result(ctx) }()
	}
	r := Report{Status: "ok", Checks: make(map[string]Result, len(c.checks))}
	for i, check := range c.checks {
		var got Result
		select {
		case got = <-results[i]:
		case <-ctx.Done(): // also for a check that takes no notice of it
			got = Result{Needed: check.Needed, Millis: patience.Seconds() * 1000, Error: "no answer in time"}
		}
		r.Checks[check.Name] = got
		switch {
		case got.OK:
		case check.Needed:
			r.Status = "unavailable"
		case r.Status == "ok":
			r.Status = "degraded"
		}
	}
	return r
}

func (c Check) result(ctx context.Context) Result {
	started := time.Now()
	err := c.Run(ctx)
	r := Result{OK: err == nil, Needed: c.Needed, Millis: float64(time.Since(started).Microseconds()) / 1000}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// Live answers that the process runs, and nothing more: one that waits for its
// database is not mended by a restart.
func Live(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Details answers with every check. It names hosts and errors, so it is for the
// private address.
func (c *Checks) Details(w http.ResponseWriter, r *http.Request) {
	report := c.Look(r.Context())
	if c.Stopping() {
		report.Status = "stopping"
	}
	status := http.StatusOK
	if report.Status == "unavailable" || report.Status == "stopping" {
		status = http.StatusServiceUnavailable
	}
	write(w, status, report)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
}

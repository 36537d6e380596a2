package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
)

// Result is a whole run.
type Result struct {
	Machine  Machine  `json:"machine"`
	Services Services `json:"services"`
	Figures  []Figure `json:"figures"` // of every round
	Targets  []Target `json:"targets"`
}

// Machine is where the run took place.
type Machine struct {
	OS   string `json:"os"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// What a figure is of.
const (
	Closed = "closed loop" // a receiver alone, each connection as fast as it is answered
	Paced  = "paced"       // a receiver alone, at a fixed rate
	Open   = "open loop"   // receiver and worker, at a fixed rate
	Life   = "whole life"  // receiver and worker, as fast as they go
	Drain  = "drain"       // a worker alone, on stored events
	Commit = "empty commit"
	Query  = "query"
)

// Kind tells figures apart that are not to be compared round by round.
type Kind struct {
	Measure     string  `json:"measure"`
	Contender   string  `json:"contender"` // tillhook, usual, verify-only, asynq no-op, Postgres
	Connections int     `json:"connections,omitempty"`
	Rate        float64 `json:"rate,omitempty"` // a second
	Concurrency int     `json:"concurrency,omitempty"`
	Duplicates  int     `json:"duplicates,omitempty"` // percent
	Stored      int     `json:"stored,omitempty"`     // events that were there before
}

// Figure is one measurement.
type Figure struct {
	Kind
	Round     int     `json:"round"`
	Events    int     `json:"events"` // acknowledged, or worked off
	Failed    int     `json:"failed"`
	Fault     string  `json:"fault,omitempty"` // of the first that failed
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency_ms"`

	// Committed is from the moment at which a delivery was due to that at which
	// a listener was told that its order is PAID and committed.
	Committed *Latency `json:"committed_ms,omitempty"`
	Late      float64  `json:"sent_late_p99_ms,omitempty"` // by the generator

	CPU            map[string]float64 `json:"cpu_seconds_per_1000"` // by process
	GeneratorShare float64            `json:"generator_share"`      // of all of it
	// OthersShare is what strangers used of all the CPU that was used meanwhile.
	OthersShare   float64          `json:"others_share"`
	RSS           map[string]int64 `json:"peak_rss_bytes"`
	RowsPerCommit float64          `json:"rows_per_commit,omitempty"`
	EventsPerTx   float64          `json:"events_per_transaction,omitempty"`
	Unqueued      int              `json:"left_to_recoverer,omitempty"`
}

// cost is CPU seconds per 1,000 events of all processes but the generator.
func (f Figure) cost() (sum float64) {
	for name, seconds := range f.CPU {
		if name != generator {
			sum += seconds
		}
	}
	return sum
}

// kinds are those there are, in the order of measuring.
func (r *Result) kinds() (all []Kind) {
	for _, f := range r.Figures {
		if !slices.Contains(all, f.Kind) {
			all = append(all, f.Kind)
		}
	}
	return all
}

// of is one value of each round.
func (r *Result) of(k Kind, value func(Figure) float64) (values []float64) {
	for _, f := range r.Figures {
		if f.Kind == k {
			values = append(values, value(f))
		}
	}
	return values
}

// ratio compares two kinds round by round: what disturbed one round disturbed
// both.
func (r *Result) ratio(a, b Kind, value func(Figure) float64) (Spread, bool) {
	above, below := r.of(a, value), r.of(b, value)
	var ratios []float64
	for i := range min(len(above), len(below)) {
		if below[i] > 0 {
			ratios = append(ratios, above[i]/below[i])
		}
	}
	return spreadOf(ratios), len(ratios) > 0
}

func (r *Result) write(path string) error {
	r.Machine = Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}

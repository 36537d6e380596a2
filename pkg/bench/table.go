package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// publish prints what was measured, and writes the files.
func (b *bench) publish() error {
	b.result.Services = b.services.about
	b.result.Targets = b.result.targets()
	printTable(b.out(), &b.result)
	if b.o.JSON != "" {
		if err := b.result.write(b.o.JSON); err != nil {
			return err
		}
		b.say("all figures: %s", b.o.JSON)
	}
	if b.o.Report != "" {
		if err := b.result.writeReport(b.o.Report, time.Now()); err != nil {
			return err
		}
		b.say("plots: %s", b.o.Report)
	}
	return nil
}

// printTable stays within 80 columns.
func printTable(w io.Writer, r *Result) {
	fmt.Fprintf(w, "\n  Medians of the rounds. Times in ms; CPU in ms per event, and whose it is.\n")
	for _, measure := range []string{Closed, Paced, Life, Open, Drain, Query, Commit} {
		header := false
		for _, k := range r.kinds() {
			if k.Measure != measure {
				continue
			}
			if !header {
				r.printHeader(w, measure)
				header = true
			}
			r.printRow(w, k)
		}
	}
	printTargets(w, r.Targets)
	if noise := r.noise(); noise != "" {
		fmt.Fprintf(w, "  %s\n\n", noise)
	}
}

// noise says so if other programs had much of the machine.
func (r *Result) noise() string {
	var shares []float64
	for _, f := range r.Figures {
		shares = append(shares, f.OthersShare)
	}
	s := spreadOf(shares)
	if s.Max <= quiet {
		return ""
	}
	return fmt.Sprintf("Not a quiet machine: others took %.0f%% of the CPU time used, %.0f%% at worst.", 100*s.Median, 100*s.Max)
}

// quiet is the share of other programs up to which figures are worth quoting.
const quiet = .1

var headings = map[string]string{
	Closed: "ACKNOWLEDGED, closed loop, no worker",
	Life:   "FINISHED, closed loop, receiver and worker",
	Paced:  "ANSWERED at a fixed rate, no worker, from the moment a delivery was due",
	Open:   "AT A FIXED RATE, receiver and worker, from the moment a delivery was due",
	Drain:  "DRAIN, a fresh worker on stored and queued events",
	Query:  "QUESTIONS to a table that has grown",
	Commit: "EMPTY COMMIT, one row on one connection",
}

const rowFormat = "  %-22s %7s %6s %6s %6s %6s %6s %6s\n"

func (r *Result) printHeader(w io.Writer, measure string) {
	heading := headings[measure]
	if r.Services == (Services{}) { // who works beside a receiver elsewhere, nobody here knows
		heading = strings.NewReplacer(", no worker", "", ", receiver and worker", "").Replace(heading)
	}
	fmt.Fprintf(w, "\n  %s\n", heading)
	if measure == Drain {
		return
	}
	fmt.Fprintf(w, rowFormat, "", "/s", "p50", "p90", "p99", "p99.9", "max", "failed")
}

func (r *Result) printRow(w io.Writer, k Kind) {
	med := func(value func(Figure) float64) float64 { return median(r.of(k, value)) }
	speed := fmt.Sprintf("%.0f", med(func(f Figure) float64 { return f.PerSecond }))
	if k.Measure == Drain {
		fmt.Fprintf(w, "  %-22s %7s/s\n", k.label(), speed)
	} else {
		row := func(name, speed string, l func(Figure) Latency, failed string) {
			fmt.Fprintf(w, rowFormat, name, speed,
				milli(med(func(f Figure) float64 { return l(f).P50 })), milli(med(func(f Figure) float64 { return l(f).P90 })),
				milli(med(func(f Figure) float64 { return l(f).P99 })), milli(med(func(f Figure) float64 { return l(f).P999 })),
				milli(med(func(f Figure) float64 { return l(f).Max })), failed)
		}
		failed := 0.0
		for _, n := range r.of(k, func(f Figure) float64 { return float64(f.Failed) }) {
			failed += n
		}
		row(k.label(), speed, func(f Figure) Latency { return f.Latency }, fmt.Sprint(failed))
		if r.heard(k) {
			row("  until the order", "", func(f Figure) Latency { return *f.Committed }, "")
		}
	}
	for _, line := range r.costs(k) {
		fmt.Fprintf(w, "      %s\n", line)
	}
}

// heard reports whether it is known when orders were committed.
func (r *Result) heard(k Kind) bool {
	return slices.ContainsFunc(r.Figures, func(f Figure) bool { return f.Kind == k && f.Committed != nil })
}

// costs is what else is known of a kind: who used how much CPU, and the rest.
func (r *Result) costs(k Kind) (lines []string) {
	med := func(value func(Figure) float64) float64 { return median(r.of(k, value)) }
	var parts, rest []string
	for _, name := range []string{"ingest", "worker", "postgres", "redis"} {
		if v := med(func(f Figure) float64 { return f.CPU[name] }); v > 0.0005 {
			parts = append(parts, fmt.Sprintf("%s %.3f", name, v))
		}
	}
	if len(parts) > 0 {
		parts = append([]string{fmt.Sprintf("CPU %.3f:", med(Figure.cost))}, parts...)
	}
	if v := med(func(f Figure) float64 { return f.GeneratorShare }); v > 0 && k.Measure != Drain {
		rest = append(rest, fmt.Sprintf("generator %.0f%%", 100*v))
	}
	if v := med(func(f Figure) float64 { return f.RowsPerCommit }); v > 0 {
		rest = append(rest, fmt.Sprintf("%.1f rows/commit", v))
	}
	if v := med(func(f Figure) float64 { return f.EventsPerTx }); v > 0 {
		rest = append(rest, fmt.Sprintf("%.1f events/tx", v))
	}
	if v := med(func(f Figure) float64 { return float64(f.Unqueued) }); v > 0 {
		rest = append(rest, fmt.Sprintf("%.0f left to the recoverer", v))
	}
	cpu, others := strings.Join(parts, " "), strings.Join(rest, ", ")
	if len(cpu)+len(others) < 70 {
		cpu, others = strings.TrimSpace(cpu+"  "+others), ""
	}
	for _, line := range []string{cpu, others} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// label is a row's name, up to 22 characters.
func (k Kind) label() string {
	switch {
	case k.Duplicates > 0:
		return fmt.Sprintf("  %d%% duplicates", k.Duplicates)
	case k.Measure == Query:
		return k.Contender
	case k.Stored > 0:
		return fmt.Sprintf("  %d stored", k.Stored)
	case k.Rate > 0:
		return fmt.Sprintf("%s %g/s", k.Contender, k.Rate)
	case k.Concurrency > 0:
		return fmt.Sprintf("%s, %d tasks", k.Contender, k.Concurrency)
	case k.Connections > 0:
		return fmt.Sprintf("%s, %d conn.", k.Contender, k.Connections)
	}
	return k.Contender
}

func printTargets(w io.Writer, targets []Target) {
	if len(targets) == 0 {
		return
	}
	fmt.Fprintf(w, "\n  %-41s %8s %15s %9s\n", "RATIOS", "median", "(of rounds)", "target")
	for _, t := range targets {
		sign, mark := "≥", " "
		if t.AtMost {
			sign = "≤"
		}
		if t.Met {
			mark = "✓"
		}
		fmt.Fprintf(w, "%s %-41s %8s %15s %9s\n", mark, t.Name, figure(t.Value.Median, t.Unit),
			"("+short(t.Value.Min)+" – "+short(t.Value.Max)+")", sign+" "+figure(t.Limit, t.Unit))
	}
	fmt.Fprintln(w)
}

func figure(v float64, unit string) string {
	if unit == "×" {
		return short(v) + unit
	}
	return short(v) + " " + unit
}

// short shows three digits, or all before the point.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// milli shows milliseconds in six columns.
func milli(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

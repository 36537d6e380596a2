package bench

import "fmt"

// Target is what the product wants to reach, and what it has reached. Missing
// one is no failure: the figures are there to see by how much.
type Target struct {
	Name   string  `json:"name"`
	Value  Spread  `json:"value"` // over the rounds
	AtMost bool    `json:"at_most"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit"` // ×, ms, MB
	Met    bool    `json:"met"`
}

// targets judges what was measured; what was not is left out.
func (r *Result) targets() (all []Target) {
	judge := func(name string, value Spread, atMost bool, limit float64, unit string) {
		met := value.Median >= limit
		if atMost {
			met = value.Median <= limit
		}
		all = append(all, Target{name, value, atMost, limit, unit, met})
	}
	compare := func(name string, a, b Kind, value func(Figure) float64, atMost bool, limit float64) {
		if ratio, ok := r.ratio(a, b, value); ok {
			judge(name, ratio, atMost, limit, "×")
		}
	}
	speed := func(f Figure) float64 { return f.PerSecond }
	p99 := func(f Figure) float64 { return f.Latency.P99 }
	for _, k := range r.kinds() {
		if k.Contender != tillhook {
			continue
		}
		other := func(name string) Kind { o := k; o.Contender = name; return o }
		switch k.Measure {
		case Closed:
			plain := k
			plain.Duplicates, plain.Stored = 0, 0
			if k.Duplicates > 0 {
				compare(fmt.Sprintf("p99 with %d %% duplicates, of that without", k.Duplicates), k, plain, p99, true, 1.3)
				break
			}
			if k.Stored > 0 {
				compare(fmt.Sprintf("acked/s with %d stored, of empty", k.Stored), k, plain, speed, false, .9)
				break
			}
			limit, wanted := map[int]float64{64: 4, 256: 5}[k.Connections]
			if !wanted {
				break
			}
			compare(fmt.Sprintf("acked/s, %d connections, of usual", k.Connections), k, other(usual), speed, false, limit)
			compare(fmt.Sprintf("acked/s, %d connections, of verify-only", k.Connections), k, other(verifyOnly), speed, false, 1.0/3)
			compare(fmt.Sprintf("CPU per ack, %d connections, of usual's", k.Connections), k, other(usual), Figure.cost, true, .25)
		case Drain:
			if k.Concurrency != productConcurrency {
				break
			}
			u, n := other(usual), other(noop)
			u.Concurrency = usualConcurrency
			compare(fmt.Sprintf("drain, %d at a time, of usual's worker", k.Concurrency), k, u, speed, false, 5)
			compare(fmt.Sprintf("drain, %d at a time, of asynq's no-op", k.Concurrency), k, n, speed, false, .6)
		case Life:
			compare("finished/s, of usual with its worker", k, other(usual), speed, false, 8)
			compare("CPU per finished event, of usual's", k, other(usual), Figure.cost, true, .1)
		case Paced, Open:
			if k.Rate == 1000 { // the targets are for this rate
				r.judgeAnswers(k, judge, compare)
			}
		}
	}
	r.judgeQueries(judge)
	r.judgeMemory(judge)
	return all
}

// judgeAnswers judges a fixed rate: how soon a receiver answers, and how soon the
// order is committed where a worker is with it.
func (r *Result) judgeAnswers(k Kind, judge func(string, Spread, bool, float64, string),
	compare func(string, Kind, Kind, func(Figure) float64, bool, float64)) {
	where := "alone"
	if k.Measure == Open {
		where = "with worker"
	}
	u := k
	u.Contender = usual
	compare("p99 at 1000/s "+where+", of usual's", k, u, func(f Figure) float64 { return f.Latency.P99 }, true, 1.0/8)
	p50 := func(f Figure) float64 { return f.Latency.P50 }
	ours, commits := r.of(k, p50), r.of(Kind{Measure: Commit, Contender: empty}, p50)
	var above []float64
	for i := range min(len(ours), len(commits)) {
		above = append(above, ours[i]-commits[i])
	}
	if len(above) > 0 {
		judge("p50 at 1000/s "+where+" above a commit's", spreadOf(above), true, 1, "ms")
	}
	if k.Measure == Open {
		judge("POST to committed order at 1000/s, p50", spreadOf(r.of(k, func(f Figure) float64 { return f.Committed.P50 })), true, 5, "ms")
		judge("POST to committed order at 1000/s, p99", spreadOf(r.of(k, func(f Figure) float64 { return f.Committed.P99 })), true, 20, "ms")
	}
}

func (r *Result) judgeQueries(judge func(string, Spread, bool, float64, string)) {
	for _, k := range r.kinds() {
		if k.Measure == Query { // somebody waits for the answer
			p50 := r.of(k, func(f Figure) float64 { return f.Latency.P50 })
			judge(fmt.Sprintf("%s, %d stored", k.Contender, k.Stored), spreadOf(p50), true, 10, "ms")
		}
	}
}

func (r *Result) judgeMemory(judge func(string, Spread, bool, float64, string)) {
	for _, p := range []struct {
		name  string
		limit float64
	}{{"ingest", 80}, {"worker", 120}} {
		var peaks []float64
		for _, f := range r.Figures {
			if rss := f.RSS[p.name]; f.Contender == tillhook && rss > 0 {
				peaks = append(peaks, float64(rss)/1e6)
			}
		}
		if len(peaks) > 0 {
			s := spreadOf(peaks)
			s.Median = s.Max // a peak is a peak
			judge("memory of "+p.name+" at its highest", s, true, p.limit, "MB")
		}
	}
}

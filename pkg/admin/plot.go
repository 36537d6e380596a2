package admin

import (
	"fmt"
	"strings"

	"tillhook/pkg/event"
)

// The size of a plot in its own units. It is stretched to its place, so that no
// text is in it.
const plotWidth, plotHeight = 600.0, 120.0

// plot is what the template draws: bars one upon the other, or lines.
type plot struct {
	Bars  []bar
	Lines []line
	Top   string // what the upper edge stands for
	Empty bool
}

type bar struct {
	Class, X, Y, W, H string
}

type line struct{ Class, Points string }

// draw makes the plots of a span, and says in words what they show.
func (s *span) draw() {
	most, slowest := 0, 0.0
	for _, m := range s.Steps {
		most, slowest = max(most, m.Stored), max(slowest, m.P95)
	}
	s.Arrivals = arrivals(s.Steps)
	s.Latency = latency(s.Steps, slowest)
	s.ArrivalsText = fmt.Sprintf("%s: %s stored, %d of them refused; %d at the most in a %s. %d failed, whenever they were stored.",
		s.Name, plural(s.Stored, "event"), s.Refused, most, s.Step, s.Failed)
	s.LatentText = fmt.Sprintf("%s: in the slowest %s half of the events were worked off within %s, and 95 of a hundred within %s.",
		s.Name, s.Step, millis(s.Median), millis(s.P95))
}

// arrivals draws what was stored, and upon it what has failed meanwhile: most of
// that was stored long before.
func arrivals(steps []event.Minute) plot {
	var tallest event.Minute
	for _, m := range steps {
		if m.Stored+m.Failed > tallest.Stored+tallest.Failed {
			tallest = m
		}
	}
	most := tallest.Stored + tallest.Failed
	p := plot{Empty: most == 0}
	if p.Empty {
		return p
	}
	// An event that is stored and fails at once is in both parts: their sum counts
	// nothing that anybody has a name for.
	p.Top = fmt.Sprintf("%d stored", tallest.Stored)
	if tallest.Failed > 0 {
		p.Top += fmt.Sprintf(", %d failed", tallest.Failed)
	}
	wide := plotWidth / float64(len(steps))
	for i, m := range steps {
		floor := plotHeight
		for _, part := range []struct {
			class string
			n     int
		}{{"good", m.Stored - m.Refused}, {"refused", m.Refused}, {"failed", m.Failed}} {
			if part.n <= 0 {
				continue
			}
			// One failure among thousands must be seen.
			high := max(float64(part.n)/float64(most)*plotHeight, 1.5)
			floor -= high
			p.Bars = append(p.Bars, bar{part.class, num(float64(i)*wide + 0.5), num(max(floor, 0)), num(wide - 1), num(high)})
		}
	}
	return p
}

func latency(steps []event.Minute, slowest float64) plot {
	p := plot{Top: millis(slowest), Empty: slowest == 0}
	if p.Empty {
		return p
	}
	wide := plotWidth / float64(len(steps))
	trace := func(class string, of func(event.Minute) float64) {
		var points []string
		for i, m := range steps {
			points = append(points, num((float64(i)+0.5)*wide)+","+num(plotHeight-of(m)/slowest*(plotHeight-2)))
		}
		p.Lines = append(p.Lines, line{class, strings.Join(points, " ")})
	}
	trace("p95", func(m event.Minute) float64 { return m.P95 })
	trace("median", func(m event.Minute) float64 { return m.Median })
	return p
}

func num(f float64) string { return fmt.Sprintf("%.1f", f) }

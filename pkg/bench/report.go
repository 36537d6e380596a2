package bench

import (
	_ "embed" // for the page
	"fmt"
	"html/template"
	"math"
	"os"
	"runtime"
	"slices"
	"time"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"amount": amountText, "figure": figure, "short": short,
}).Parse(reportPage))

// plot is a chart as the page shows it, with its numbers beneath.
type plot struct {
	Title, Note string
	SVG         template.HTML
	Columns     []string
	Rows        []plotRow
}

type plotRow struct {
	Name, Class string
	Cells       []string
}

// writeReport makes a page that needs nothing but itself.
func (r *Result) writeReport(path string, at time.Time) (err error) {
	var plots []plot
	for _, c := range []struct {
		title, note string
		chart       chart
	}{
		{"Acknowledged deliveries a second", "Closed loop, no worker: each connection sends as soon as it is answered. Higher is better.", r.throughputChart()},
		{"Time to the answer at a fixed rate", "Receiver and worker together, milliseconds from the moment at which a delivery was due. Lower is better; the scale is logarithmic.", r.latencyChart()},
		{"Events worked off a second", "A fresh worker on stored and queued events, by how many tasks it takes at a time. Higher is better.", r.drainChart()},
	} {
		if len(c.chart.x) > 0 {
			c.chart.caption = c.title
			plots = append(plots, c.chart.plot(c.title, c.note))
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer f.Close()
	err = reportTemplate.Execute(f, map[string]any{
		"Result": r, "Plots": plots, "At": at.UTC().Format("2 January 2006, 15:04 UTC"), "CPUs": runtime.NumCPU(),
		"OS": runtime.GOOS + "/" + runtime.GOARCH, "Go": runtime.Version(), "Noise": r.noise(),
	})
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (c chart) plot(title, note string) plot {
	p := plot{Title: title, Note: note, SVG: template.HTML(c.svg()), Columns: []string{c.xLabel}}
	for _, x := range c.x {
		p.Columns = append(p.Columns, amountText(x))
	}
	for _, s := range c.series {
		row := plotRow{Name: s.name, Class: s.class}
		for _, v := range s.values {
			cell := "–"
			if !math.IsNaN(v) {
				cell = amountText(v)
			}
			row.Cells = append(row.Cells, cell)
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

// curve is one contender's medians over the sizes of a chart.
func (r *Result) curve(x []float64, kind func(x float64) Kind, value func(Figure) float64) []float64 {
	values := make([]float64, len(x))
	for i := range x {
		values[i] = math.NaN()
		if all := r.of(kind(x[i]), value); len(all) > 0 {
			values[i] = median(all)
		}
	}
	return values
}

// sizes are the different values of a kind's field, ascending.
func (r *Result) sizes(is func(Kind) bool, size func(Kind) float64) (all []float64) {
	for _, k := range r.kinds() {
		if is(k) && !slices.Contains(all, size(k)) {
			all = append(all, size(k))
		}
	}
	slices.Sort(all)
	return all
}

func perSecond(f Figure) float64 { return f.PerSecond }

func (r *Result) throughputChart() chart {
	x := r.sizes(func(k Kind) bool { return k.Measure == Closed && k.Contender == tillhook }, func(k Kind) float64 { return float64(k.Connections) })
	c := chart{x: x, xLabel: "connections", yLabel: "deliveries a second"}
	for _, s := range []struct{ name, class string }{{tillhook, "ours"}, {usual, "usual"}, {verifyOnly, "ceiling"}} {
		c.series = append(c.series, series{name: s.name, class: s.class, dashed: s.name == verifyOnly, values: r.curve(x, func(x float64) Kind {
			return Kind{Measure: Closed, Contender: s.name, Connections: int(x)}
		}, perSecond)})
	}
	return c
}

func (r *Result) latencyChart() chart {
	x := r.sizes(func(k Kind) bool { return k.Measure == Open && k.Contender == tillhook }, func(k Kind) float64 { return k.Rate })
	c := chart{x: x, xLabel: "deliveries a second", yLabel: "milliseconds", logY: true}
	for _, s := range []struct{ name, class string }{{tillhook, "ours"}, {usual, "usual"}} {
		kind := func(x float64) Kind {
			return Kind{Measure: Open, Contender: s.name, Rate: x, Connections: openConnections}
		}
		c.series = append(c.series,
			series{name: s.name + " p99", class: s.class, values: r.curve(x, kind, func(f Figure) float64 { return f.Latency.P99 })},
			series{name: s.name + " p50", class: s.class, dashed: true, values: r.curve(x, kind, func(f Figure) float64 { return f.Latency.P50 })})
	}
	return c
}

// drainChart shows the two references, which were measured once, as level lines.
func (r *Result) drainChart() chart {
	x := r.sizes(func(k Kind) bool { return k.Measure == Drain && k.Contender == tillhook }, func(k Kind) float64 { return float64(k.Concurrency) })
	c := chart{x: x, xLabel: "tasks at a time", yLabel: "events a second"}
	if len(x) == 0 {
		return c
	}
	c.series = []series{{name: tillhook, class: "ours", values: r.curve(x, func(x float64) Kind {
		return Kind{Measure: Drain, Contender: tillhook, Concurrency: int(x)}
	}, perSecond)}}
	for _, k := range r.kinds() {
		if k.Measure != Drain || k.Contender == tillhook {
			continue
		}
		class := "usual"
		if k.Contender == noop {
			class = "ceiling"
		}
		level := func(float64) Kind { return k }
		c.series = append(c.series, series{name: fmt.Sprintf("%s, %d", k.Contender, k.Concurrency), class: class, dashed: true, level: true, values: r.curve(x, level, perSecond)})
	}
	return c
}

package bench

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart is lines over a few sizes, which are spaced evenly.
type chart struct {
	x       []float64
	xLabel  string
	yLabel  string
	logY    bool
	series  []series
	caption string
}

// series is one line; NaN where nothing was measured.
type series struct {
	name, class string // class names its colour in the style sheet
	values      []float64
	dashed      bool
	level       bool // measured once, and drawn across
}

// Measures of a chart, in the units of its view box.
const (
	chartWidth, chartHeight    = 720.0, 360.0
	plotLeft, plotRight        = 66.0, 580.0
	plotTop, plotBottom        = 16.0, 308.0
	labelGap                   = 16.0
	pixelsBesideTheFirstColumn = 24.0
)

func (c chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.caption))
	ticks := c.ticks()
	for _, t := range ticks {
		y := c.y(t, ticks)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotRight, y, y, plotLeft-8, y+4, amountText(t))
	}
	for i, x := range c.x {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, c.at(i), plotBottom+20, amountText(x))
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%g" x2="%g" y1="%g" y2="%g"/>`, plotLeft, plotRight, plotBottom, plotBottom)
	fmt.Fprintf(&b, `<text class="label" x="%g" y="%g" text-anchor="middle">%s</text>`, (plotLeft+plotRight)/2, chartHeight-10, html.EscapeString(c.xLabel))
	fmt.Fprintf(&b, `<text class="label" transform="translate(14 %g) rotate(-90)" text-anchor="middle">%s</text>`, (plotTop+plotBottom)/2, html.EscapeString(c.yLabel))
	for _, s := range c.series {
		c.line(&b, s, ticks)
	}
	c.names(&b, ticks)
	b.WriteString(`</svg>`)
	return b.String()
}

func (c chart) line(b *strings.Builder, s series, ticks []float64) {
	dash := ""
	if s.dashed {
		dash = ` stroke-dasharray="6 5"`
	}
	var points []string
	for i, v := range s.values {
		if !math.IsNaN(v) {
			points = append(points, fmt.Sprintf("%.1f,%.1f", c.at(i), c.y(v, ticks)))
		}
	}
	fmt.Fprintf(b, `<polyline class="line %s" points="%s"%s/>`, s.class, strings.Join(points, " "), dash)
	for i, v := range s.values {
		if !math.IsNaN(v) && !s.level {
			fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="3.5"><title>%s, %s: %s</title></circle>`,
				s.class, c.at(i), c.y(v, ticks), html.EscapeString(s.name), amountText(c.x[i]), amountText(v))
		}
	}
}

// names writes each line's name at its end, apart from each other.
func (c chart) names(b *strings.Builder, ticks []float64) {
	type end struct {
		s series
		y float64
	}
	var ends []end
	for _, s := range c.series {
		for _, v := range slices.Backward(s.values) {
			if !math.IsNaN(v) {
				ends = append(ends, end{s, c.y(v, ticks)})
				break
			}
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return int(a.y - b.y) })
	for i := 1; i < len(ends); i++ {
		ends[i].y = max(ends[i].y, ends[i-1].y+labelGap)
	}
	for i := len(ends) - 1; i >= 0; i-- { // back up what was pushed out below
		low := plotBottom
		if i < len(ends)-1 {
			low = ends[i+1].y - labelGap
		}
		ends[i].y = min(ends[i].y, low)
	}
	for _, e := range ends {
		fmt.Fprintf(b, `<text class="name %s" x="%g" y="%.1f">%s</text>`, e.s.class, plotRight+2, e.y+4, html.EscapeString(e.s.name))
	}
}

// at is the place of the i-th column.
func (c chart) at(i int) float64 {
	left, right := plotLeft+pixelsBesideTheFirstColumn, plotRight-pixelsBesideTheFirstColumn/2
	if len(c.x) == 1 {
		return (left + right) / 2
	}
	return left + (right-left)*float64(i)/float64(len(c.x)-1)
}

func (c chart) y(v float64, ticks []float64) float64 {
	low, high := ticks[0], ticks[len(ticks)-1]
	if c.logY {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	return plotBottom - (plotBottom-plotTop)*(v-low)/(high-low)
}

// ticks are round numbers around all values; the first and the last bound the plot.
func (c chart) ticks() (ticks []float64) {
	low, high := math.Inf(1), 0.0
	for _, s := range c.series {
		for _, v := range s.values {
			if !math.IsNaN(v) && v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if high == 0 {
		return []float64{0, 1}
	}
	if !c.logY {
		step := math.Pow(10, math.Floor(math.Log10(high/4)))
		for _, m := range []float64{1, 2, 2.5, 5, 10} {
			if step*m*5 >= high {
				step *= m
				break
			}
		}
		for v := 0.0; ; v += step {
			if ticks = append(ticks, v); v >= high {
				return ticks
			}
		}
	}
	for decade := math.Pow(10, math.Floor(math.Log10(low))); ; decade *= 10 {
		steps := []float64{1, 2, 5}
		if high/low > 1000 {
			steps = []float64{1}
		}
		for _, m := range steps {
			v := decade * m
			if v <= low {
				ticks = ticks[:0]
			}
			if ticks = append(ticks, v); v >= high && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

// amountText is short: 0.5, 12, 1,500, 12k.
func amountText(v float64) string {
	switch {
	case v >= 10_000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v/1000), ".0") + "k"
	case v >= 1000:
		return fmt.Sprintf("%d,%03d", int(v)/1000, int(v)%1000)
	case v >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

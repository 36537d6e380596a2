package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of an even number of rounds none is in the middle: neither of the two beside it
// counts alone.
func TestTheMedianOfRounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{7}, Spread{7, 7, 7}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{8, 1, 100, 3}, Spread{5.5, 1, 100}},
	} {
		before := slices.Clone(c.values)
		if diff := cmp.Diff(c.want, spreadOf(c.values)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.values, diff)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("the rounds are in another order: %v", c.values)
		}
	}
}

// A ratio is of its own round; a figure's median is the table's and the chart's.
func TestTheMedianOfRatiosAndFigures(t *testing.T) {
	t.Parallel()
	ours, theirs := Kind{Contender: "ours"}, Kind{Contender: "theirs"}
	r := &Result{}
	for i, rate := range []float64{400, 900} {
		r.Figures = append(r.Figures, Figure{Kind: ours, PerSecond: rate}, Figure{Kind: theirs, PerSecond: float64(100 * (i + 1))})
	}
	rate := func(f Figure) float64 { return f.PerSecond }
	if got, ok := r.ratio(ours, theirs, rate); !ok || got != (Spread{4.25, 4, 4.5}) {
		t.Errorf("ratio: %+v, %t", got, ok)
	}
	if got := r.curve([]float64{0}, func(float64) Kind { return ours }, rate); !slices.Equal(got, []float64{650}) {
		t.Errorf("curve: %v", got)
	}
}

package batch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/batch"
)

var (
	errPoison = errors.New("one of the items is to blame")
	errOutage = errors.New("nobody's fault")
)

// fussy fails whole batches: for poison (multiples of 100) and for an outage
// (multiples of 1000).
func fussy(_ context.Context, items []int) ([]int, error) {
	for _, n := range items {
		switch {
		case n%1000 == 0:
			return nil, errOutage
		case n%100 == 0:
			return nil, errPoison
		}
	}
	return tenfold(items), nil
}

func isPoison(err error) bool { return errors.Is(err, errPoison) }

func TestWhoFailsWithAPoisonedItem(t *testing.T) {
	t.Parallel()
	poisoned, outage := answer{Err: errPoison}, answer{Err: errOutage}
	for _, c := range []struct {
		name    string
		split   func(error) bool
		items   []int // the first is under way while the others come
		answers []answer
		batches [][]int
	}{
		{
			"with Split it fails alone", isPoison, []int{1, 2, 300, 4, 5},
			[]answer{{Result: 10}, {Result: 20}, poisoned, {Result: 40}, {Result: 50}},
			[][]int{{1}, {2, 300, 4, 5}, {2, 300}, {2}, {300}, {4, 5}},
		},
		{
			"two fail, each alone", isPoison, []int{1, 200, 3, 400},
			[]answer{{Result: 10}, poisoned, {Result: 30}, poisoned},
			[][]int{{1}, {200, 3, 400}, {200}, {3, 400}, {3}, {400}},
		},
		{
			"alone already, it isn't tried twice", isPoison, []int{100, 2},
			[]answer{poisoned, {Result: 20}},
			[][]int{{100}, {2}},
		},
		{
			"an outage is everybody's, tried once", isPoison, []int{1, 2, 3000, 4},
			[]answer{{Result: 10}, outage, outage, outage},
			[][]int{{1}, {2, 3000, 4}},
		},
		{
			"without Split all fail", nil, []int{1, 2, 300, 4},
			[]answer{{Result: 10}, poisoned, poisoned, poisoned},
			[][]int{{1}, {2, 300, 4}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := open(t, true, batch.Config[int, int]{Work: fussy, Split: c.split})
				defer d.end()
				answers := d.ask(c.items...)
				d.letGo()
				if diff := cmp.Diff(c.answers, values(answers), cmpopts.EquateErrors()); diff != "" {
					t.Error("answers (-want +got)\n", diff)
				}
				if diff := cmp.Diff(c.batches, d.batches); diff != "" {
					t.Error("batches (-want +got)\n", diff)
				}
			})
		})
	}
}

// After comes when the callers have their answers, however long it takes, and
// hears of successes only.
func TestAfterTheAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type success struct{ Items, Results []int }
		var heard []success
		busy := make(chan struct{})
		d := open(t, true, batch.Config[int, int]{
			Work: fussy, Split: isPoison,
			After: func(items, results []int) {
				<-busy
				heard = append(heard, success{slices.Clone(items), slices.Clone(results)})
			},
		})
		answers := d.ask(1)
		close(d.hold)
		d.callers.Wait() // or the bubble says "deadlock": After is still busy
		if diff := cmp.Diff([]answer{{Result: 10}}, values(answers)); diff != "" || heard != nil {
			t.Errorf("heard %v before the answer (-want +got)\n%s", heard, diff)
		}
		d.ask(2, 300, 4) // all wait for After
		close(busy)
		d.callers.Wait()
		d.ask(5, 6000)
		d.end()
		want := []success{{[]int{1}, []int{10}}, {[]int{2}, []int{20}}, {[]int{4}, []int{40}}, {[]int{5}, []int{50}}}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

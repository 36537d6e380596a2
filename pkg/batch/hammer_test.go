package batch_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tillhook/pkg/batch"
)

// Whoever comes when, and whatever fails: each gets exactly its own answer,
// and each success is heard of once.
func TestEachGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.IntRange(1, 100_000), 1, 60).Draw(t, "items")
		callers := rapid.IntRange(1, 8).Draw(t, "callers")
		var hearing sync.Mutex // helpers hear, too
		heard := map[int]int{}
		b := batch.New(batch.Config[int, int]{
			Work: func(ctx context.Context, items []int) ([]int, error) {
				for _, n := range items { // no outages here: whom those hit depends on the batch
					if n%7 == 0 {
						return nil, errPoison
					}
				}
				return tenfold(items), nil
			},
			Split: isPoison, Weigh: func(n int) int { return n },
			After: func(items, _ []int) {
				hearing.Lock()
				defer hearing.Unlock()
				for _, n := range items {
					heard[n]++
				}
			},
			MaxItems:  rapid.IntRange(1, 10).Draw(t, "MaxItems"),
			MaxWeight: rapid.IntRange(1, 200_000).Draw(t, "MaxWeight"),
			Helpers:   rapid.IntRange(0, 3).Draw(t, "Helpers"),
			Crowd:     rapid.IntRange(1, 10).Draw(t, "Crowd"),
		})
		ended := make(chan struct{})
		go func() { defer close(ended); b.Run(context.Background()) }()
		got, want, once := make([]answer, len(items)), make([]answer, len(items)), map[int]int{}
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := c; i < len(items); i += callers {
					got[i].Result, got[i].Err = b.Do(context.Background(), items[i])
				}
			})
		}
		wg.Wait()
		b.Close()
		<-ended
		for i, n := range items {
			want[i] = answer{Result: 10 * n}
			if n%7 == 0 {
				want[i] = answer{Err: errPoison}
			} else {
				once[n]++
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
			t.Fatal("answers (-want +got)\n", diff)
		}
		if diff := cmp.Diff(once, heard); diff != "" {
			t.Fatal("After (-want +got)\n", diff)
		}
	})
}

// Many callers against small queues, some of which give up, until the desk
// closes under them: for the race detector, and nobody is left waiting.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const callers, each = 32, 100
	b := batch.New(batch.Config[int, int]{
		Work: fussy, Split: isPoison, Weigh: func(n int) int { return n % 13 },
		After:    func([]int, []int) {},
		MaxItems: 8, MaxWeight: 40, MaxQueued: 16, MaxQueueWeight: 120, Helpers: 2, Crowd: 2,
	})
	ended := make(chan struct{})
	go func() { defer close(ended); b.Run(context.Background()) }()
	gaveUp, cancel := context.WithCancel(context.Background())
	cancel()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				n, ctx := c*each+i+1, context.Background()
				if i%5 == 0 {
					ctx = gaveUp
				}
				got, err := b.Do(ctx, n)
				known := errors.Is(err, batch.ErrFull) || errors.Is(err, batch.ErrClosed) || errors.Is(err, errPoison) ||
					errors.Is(err, errOutage) || errors.Is(err, context.Canceled)
				if err == nil && got != 10*n || err != nil && !known {
					t.Errorf("%d: %d, %v", n, got, err)
				}
				b.Offer(n)
				if c == 0 && i == each*9/10 {
					b.Close()
				}
			}
		})
	}
	wg.Wait()
	<-ended
	if n := b.Waiting(); n != 0 {
		t.Errorf("%d are left in the queue", n)
	}
}

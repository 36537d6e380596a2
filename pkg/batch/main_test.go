package batch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"tillhook/pkg/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a batcher whose work answers each number with its tenfold, writes
// down its batches, and can be held. It lives in a synctest bubble, where
// synctest.Wait means that everybody has got as far as they can.
type desk struct {
	*batch.Batcher[int, int]
	batches [][]int
	hold    chan struct{} // every batch waits for one receive; nil: none waits
	ended   chan struct{}
	callers sync.WaitGroup
	mu      sync.Mutex
}

// answer is what a caller got.
type answer struct {
	Result int
	Err    error
}

func open(t *testing.T, held bool, cfg batch.Config[int, int]) *desk {
	t.Helper()
	d := &desk{ended: make(chan struct{})}
	if held {
		d.hold = make(chan struct{})
	}
	work := cfg.Work
	cfg.Work = func(ctx context.Context, items []int) ([]int, error) {
		d.mu.Lock()
		d.batches = append(d.batches, append([]int(nil), items...))
		d.mu.Unlock()
		if d.hold != nil {
			<-d.hold
		}
		if work != nil {
			return work(ctx, items)
		}
		return tenfold(items), nil
	}
	d.Batcher = batch.New(cfg)
	go func() {
		defer close(d.ended)
		d.Run(t.Context())
	}()
	return d
}

func tenfold(items []int) []int {
	results := make([]int, len(items))
	for i, n := range items {
		results[i] = 10 * n
	}
	return results
}

// ask starts callers one after the other, each waiting before the next comes,
// and returns where their answers will be.
func (d *desk) ask(items ...int) []*answer {
	answers := make([]*answer, len(items))
	for i, n := range items {
		a := &answer{}
		answers[i] = a
		d.callers.Go(func() { a.Result, a.Err = d.Do(context.Background(), n) })
		synctest.Wait()
	}
	return answers
}

// letGo ends the holding, for the batch under way and all that follow.
func (d *desk) letGo() {
	close(d.hold)
	d.callers.Wait()
}

func (d *desk) end() {
	d.Close()
	<-d.ended
}

func values(answers []*answer) []answer {
	all := make([]answer, len(answers))
	for i, a := range answers {
		all[i] = *a
	}
	return all
}

func results(answers []answer) []int {
	all := make([]int, len(answers))
	for i, a := range answers {
		all[i] = a.Result
	}
	return all
}

package batch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/batch"
)

// In the bubble time passes only while everybody waits for it: a batcher that
// lingered for company would be seen on the clock.
func TestALoneCallerPaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, false, batch.Config[int, int]{})
		defer d.end()
		started := time.Now()
		for n := range 3 {
			if got, err := d.Do(t.Context(), n); got != 10*n || err != nil {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		}
		if d := time.Since(started); d != 0 {
			t.Errorf("waited %s for others to come", d)
		}
		if diff := cmp.Diff([][]int{{0}, {1}, {2}}, d.batches); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

func TestABatchIsWhatHasArrivedMeanwhile(t *testing.T) {
	t.Parallel()
	itself := func(n int) int { return n }
	for _, c := range []struct {
		name  string
		cfg   batch.Config[int, int]
		items []int // the first is under way while the others come
		want  [][]int
	}{
		{"all of it", batch.Config[int, int]{}, []int{1, 2, 3, 4}, [][]int{{1}, {2, 3, 4}}},
		{"at most MaxItems", batch.Config[int, int]{MaxItems: 2}, []int{1, 2, 3, 4, 5, 6}, [][]int{{1}, {2, 3}, {4, 5}, {6}}},
		{"at most MaxWeight", batch.Config[int, int]{MaxWeight: 10, Weigh: itself}, []int{1, 5, 5, 4, 6, 2}, [][]int{{1}, {5, 5}, {4, 6}, {2}}},
		{"what is heavier than the limit passes alone", batch.Config[int, int]{MaxWeight: 10, Weigh: itself}, []int{1, 50, 60, 3, 7}, [][]int{{1}, {50}, {60}, {3, 7}}},
		{"without a weight only the number counts", batch.Config[int, int]{MaxWeight: 1}, []int{1, 50, 60}, [][]int{{1}, {50, 60}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := open(t, true, c.cfg)
				defer d.end()
				answers := d.ask(c.items...)
				if waiting := d.Waiting(); waiting != len(c.items)-1 {
					t.Errorf("%d are waiting, want all but the first", waiting)
				}
				d.letGo()
				if diff := cmp.Diff(c.want, d.batches); diff != "" {
					t.Error("(-want +got)\n", diff)
				}
				want := make([]answer, len(c.items))
				for i, n := range c.items {
					want[i].Result = 10 * n
				}
				if diff := cmp.Diff(want, values(answers)); diff != "" {
					t.Error("(-want +got)\n", diff)
				}
			})
		})
	}
}

// A further batch is worked on beside others only where a crowd waits for it, and
// from the moment that there is one.
func TestACrowdHasAHelper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		helpers, crowd int
		items          []int   // in the order in which they come
		begun          [][]int // before any has ended
		then           [][]int // beside them, when one has
	}{
		{"a crowd", 1, 3, []int{1, 2, 3, 4}, [][]int{{1}, {2, 3}}, nil},
		{"one too few", 1, 3, []int{1, 2, 3}, [][]int{{1}}, [][]int{{2, 3}}},
		{"another crowd than can be helped", 1, 3, []int{1, 2, 3, 4, 5, 6}, [][]int{{1}, {2, 3}}, [][]int{{4, 5}}},
		{"as many as may help", 2, 3, []int{1, 2, 3, 4, 5, 6}, [][]int{{1}, {2, 3}, {4, 5}}, nil},
		{"nobody may help", 0, 3, []int{1, 2, 3, 4, 5}, [][]int{{1}}, [][]int{{2, 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := open(t, true, batch.Config[int, int]{MaxItems: 2, Helpers: c.helpers, Crowd: c.crowd})
				defer d.end()
				answers := d.ask(c.items...)
				if diff := cmp.Diff(c.begun, d.batches); diff != "" {
					t.Error("before any has ended (-want +got)\n", diff)
				}
				d.hold <- struct{}{}
				synctest.Wait()
				if diff := cmp.Diff(append(c.begun, c.then...), d.batches); diff != "" {
					t.Error("after one has ended (-want +got)\n", diff)
				}
				d.letGo()
				if diff := cmp.Diff(tenfold(c.items), results(values(answers))); diff != "" {
					t.Error("(-want +got)\n", diff)
				}
			})
		})
	}
}

// Many that come at once wake as many as there is work for, whoever is first to see
// them.
func TestACrowdThatComesAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			d := open(t, true, batch.Config[int, int]{MaxItems: 2, Helpers: 3, Crowd: 2})
			defer d.end()
			synctest.Wait()
			for n := range 8 {
				d.Offer(n)
			}
			synctest.Wait()
			if len(d.batches) != 4 {
				t.Fatalf("begun: %v", d.batches)
			}
			d.letGo()
		})
	}
}

func TestAFullQueueSaysSoAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("by items", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := open(t, true, batch.Config[int, int]{MaxQueued: 2})
			defer d.end()
			d.ask(1, 2, 3)
			if diff := cmp.Diff([]answer{{Err: batch.ErrFull}}, values(d.ask(4)), cmpopts.EquateErrors()); diff != "" {
				t.Error("one under way and two waiting (-want +got)\n", diff)
			}
			d.letGo()
			if diff := cmp.Diff([]answer{{Result: 50}}, values(d.ask(5)), cmpopts.EquateErrors()); diff != "" {
				t.Error("after the queue was worked off (-want +got)\n", diff)
			}
		})
	})
	t.Run("by weight, that under way included", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := open(t, true, batch.Config[int, int]{MaxQueueWeight: 100, Weigh: func(n int) int { return n }})
			defer d.end()
			d.ask(60, 40)
			if diff := cmp.Diff([]answer{{Err: batch.ErrFull}}, values(d.ask(1)), cmpopts.EquateErrors()); diff != "" {
				t.Error("100 of 100 taken (-want +got)\n", diff)
			}
			d.letGo()
			// Every weight has been given back: the whole limit is free.
			if diff := cmp.Diff([]answer{{Result: 1000}}, values(d.ask(100)), cmpopts.EquateErrors()); diff != "" {
				t.Error("after the queue was worked off (-want +got)\n", diff)
			}
			// Not even a limit below one item's weight keeps it out for ever.
			if diff := cmp.Diff([]answer{{Result: 5000}}, values(d.ask(500)), cmpopts.EquateErrors()); diff != "" {
				t.Error("heavier than the queue, which is empty (-want +got)\n", diff)
			}
		})
	})
	t.Run("what was refused weighs nothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := open(t, true, batch.Config[int, int]{MaxQueued: 1, MaxQueueWeight: 100, Weigh: func(n int) int { return n }})
			defer d.end()
			d.ask(10, 10)
			d.ask(70, 70, 70) // refused for their number
			d.letGo()
			d.hold = make(chan struct{})
			answers := d.ask(50, 50)
			d.letGo()
			if diff := cmp.Diff([]answer{{Result: 500}, {Result: 500}}, values(answers), cmpopts.EquateErrors()); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
		})
	})
}

func TestOfferLeavesHalfOfTheQueueToThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, true, batch.Config[int, int]{MaxQueued: 4})
		d.ask(1) // under way
		taken := []bool{d.Offer(2), d.Offer(3), d.Offer(4), d.Offer(5), d.Offer(6)}
		if diff := cmp.Diff([]bool{true, true, true, false, false}, taken); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		answers := d.ask(7, 8) // the other part is theirs
		d.letGo()
		if diff := cmp.Diff([]answer{{Result: 70}, {Err: batch.ErrFull}}, values(answers), cmpopts.EquateErrors()); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		d.end()
		if diff := cmp.Diff([][]int{{1}, {2, 3, 4, 7}}, d.batches); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		if d.Offer(9) {
			t.Error("taken after Close")
		}
	})
}

func TestACallerThatGivesUpIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, true, batch.Config[int, int]{})
		defer d.end()
		d.ask(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.Do(ctx, 2); err != context.DeadlineExceeded {
			t.Errorf("%v, want the end of the caller's time", err)
		}
		d.letGo()
		if diff := cmp.Diff([]answer{{Result: 30}}, values(d.ask(3))); diff != "" {
			t.Error("the next caller (-want +got)\n", diff)
		}
		if diff := cmp.Diff([][]int{{1}, {2}, {3}}, d.batches); diff != "" {
			t.Error("the work may still be done (-want +got)\n", diff)
		}
	})
}

func TestCloseFinishesWhatIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, true, batch.Config[int, int]{MaxItems: 2})
		answers := d.ask(1, 2, 3, 4)
		d.Close()
		d.Close()
		late := d.ask(5)
		synctest.Wait()
		select {
		case <-d.ended:
			t.Error("Run has returned before its callers were answered")
		default:
		}
		d.letGo()
		<-d.ended
		want := []answer{{Result: 10}, {Result: 20}, {Result: 30}, {Result: 40}, {Err: batch.ErrClosed}}
		if diff := cmp.Diff(want, values(append(answers, late...)), cmpopts.EquateErrors()); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

// The end of Run's ctx is the work's affair: callers are answered all the same.
func TestTheEndOfTheContextLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := batch.New(batch.Config[int, int]{Work: func(ctx context.Context, items []int) ([]int, error) {
			return tenfold(items), ctx.Err()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); b.Run(ctx) }()
		cancel()
		if _, err := b.Do(t.Context(), 1); err != context.Canceled {
			t.Errorf("%v, want the work's error", err)
		}
		b.Close()
		<-ended
	})
}

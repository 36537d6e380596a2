package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// outcome is what a delivery's commit answered.
type outcome struct {
	New bool
	Err error
}

// commitAll commits records in one batch: behind one that is held until all of
// them wait. It needs a bubble, in which stored is receives of store's calls.
func commitAll(w *writer, hold chan struct{}, ids ...string) []outcome {
	outcomes := make([]outcome, len(ids))
	var callers sync.WaitGroup
	callers.Go(func() {
		_, _ = w.commit(context.Background(), event.Record{ID: "first", Status: event.VerificationFailed})
	})
	synctest.Wait()
	for i, id := range ids {
		callers.Go(func() {
			outcomes[i].New, outcomes[i].Err = w.commit(context.Background(),
				event.Record{ID: "row-" + id, ProviderEventID: id, Type: "t", Status: event.Processing, Payload: []byte(id)})
		})
		synctest.Wait()
	}
	close(hold)
	callers.Wait()
	return outcomes
}

func runWriter(w *world) (wr *writer, m *telemetry.Metrics, stop func()) {
	m = telemetry.NewMetrics()
	wr = newWriter(w, w, m, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); wr.run(context.Background()) }()
	return wr, m, func() {
		wr.close()
		<-ended
	}
}

func value(t *testing.T, c interface{ Write(*dto.Metric) error }) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// A batch goes to the database sorted, comes back to the right callers, and
// only what is new becomes a task.
func TestABatchIsSortedAndAnsweredInPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var batches [][]string
		w := &world{insert: func(records []event.Record) ([]bool, error) {
			<-hold
			news, ids := make([]bool, len(records)), make([]string, len(records))
			seen := map[string]bool{"evt_b": true} // stored long ago
			for i, r := range records {
				ids[i] = r.ProviderEventID
				news[i] = !seen[r.ProviderEventID]
				seen[r.ProviderEventID] = true
			}
			batches = append(batches, ids)
			return news, nil
		}}
		wr, m, stop := runWriter(w)
		got := commitAll(wr, hold, "evt_d", "evt_b", "evt_a", "evt_c", "evt_a")
		stop()
		if diff := cmp.Diff([]outcome{{New: true}, {}, {New: true}, {New: true}, {}}, got); diff != "" {
			t.Error("answers (-want +got)\n", diff)
		}
		if diff := cmp.Diff([][]string{{""}, {"evt_a", "evt_a", "evt_b", "evt_c", "evt_d"}}, batches); diff != "" {
			t.Error("batches (-want +got)\n", diff)
		}
		slices.Sort(w.tasks)
		if diff := cmp.Diff([]string{"row-evt_a t", "row-evt_c t", "row-evt_d t"}, w.tasks); diff != "" {
			t.Error("tasks (-want +got)\n", diff)
		}
		if n := value(t, m.Enqueued); n != 3 {
			t.Errorf("%g counted as queued", n)
		}
	})
}

func TestARowAtFaultFailsAlone(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{event.ErrUnstorable, event.ErrContended} {
		t.Run(fault.Error(), func(t *testing.T) {
			t.Parallel()
			failsAlone(t, fault)
		})
	}
}

func failsAlone(t *testing.T, fault error) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		w := &world{insert: func(records []event.Record) ([]bool, error) {
			<-hold
			news := make([]bool, len(records))
			for i, r := range records {
				if news[i] = true; r.ProviderEventID == "evt_bad" {
					return nil, fmt.Errorf("storing: %w", fault)
				}
			}
			return news, nil
		}}
		wr, _, stop := runWriter(w)
		got := commitAll(wr, hold, "evt_a", "evt_bad", "evt_c")
		stop()
		if diff := cmp.Diff([]outcome{{New: true}, {Err: fault}, {New: true}}, got, cmpopts.EquateErrors()); diff != "" {
			t.Error("answers (-want +got)\n", diff)
		}
		slices.Sort(w.tasks)
		if diff := cmp.Diff([]string{"row-evt_a t", "row-evt_c t"}, w.tasks); diff != "" {
			t.Error("tasks (-want +got)\n", diff)
		}
	})
}

// A Redis that is away is asked once per rest period, not for every event;
// the recoverer finds the others.
func TestRedisIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, away := 0, true
		w := &world{}
		w.enqueue = func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			asked++
			if away {
				return errors.New("connection refused")
			}
			return nil
		}
		wr, m, stop := runWriter(w)
		commit := func(id string) {
			if _, err := wr.commit(t.Context(), event.Record{ID: id, ProviderEventID: id, Type: "t", Status: event.Processing}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		commit("1")
		commit("2")
		commit("3")
		w.mu.Lock()
		if asked != 1 {
			t.Errorf("asked %d times in one rest period", asked)
		}
		away = false
		w.mu.Unlock()
		<-time.After(redisRestPeriod)
		commit("4")
		stop()
		if diff := cmp.Diff([]string{"4 t"}, w.tasks); diff != "" {
			t.Error("tasks (-want +got)\n", diff)
		}
		if failed, queued := value(t, m.EnqueueFailures), value(t, m.Enqueued); failed != 3 || queued != 1 {
			t.Errorf("counted %g failed and %g queued, want 3 and 1", failed, queued)
		}
	})
}

// Behind a commit that is stuck nobody waits: the answer is the same 503, and
// the memory of those who wait would grow.
func TestNobodyWaitsBehindAStuckCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		w := &world{insert: func(records []event.Record) ([]bool, error) {
			<-stuck
			return make([]bool, len(records)), nil
		}}
		wr, _, stop := runWriter(w)
		commit := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
			defer cancel()
			_, err := wr.commit(ctx, event.Record{ID: "1"})
			return err
		}
		var got []error
		started := time.Now()
		got = append(got, commit()) // it waits as long as anyone may
		<-time.After(time.Nanosecond)
		for range 1000 {
			if err := commit(); !errors.Is(err, errStuck) {
				t.Fatal(err)
			}
		}
		took, waiting := time.Since(started), wr.batcher.Waiting()
		close(stuck)
		synctest.Wait()
		got = append(got, commit())
		stop()
		if diff := cmp.Diff([]error{context.DeadlineExceeded, nil}, got, cmpopts.EquateErrors()); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		if took != answerTimeout+time.Nanosecond || waiting != 0 {
			t.Errorf("answered after %s, %d wait", took, waiting)
		}
	})
}

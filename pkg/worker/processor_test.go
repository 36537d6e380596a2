package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
)

// What the ledger says of an event is the attempt's one line, its count, and
// the queue's next step.
func TestOutcomeOfAnAttempt(t *testing.T) {
	t.Parallel()
	waiting, wrong, outage := errors.New("no payment yet"), errors.New("wrong amount"), errors.New("connection refused")
	unstorable := fmt.Errorf("%w: null byte", event.ErrUnstorable)
	paid := &order.Transition{OrderID: "o", PaymentID: "p", OrderTo: order.Paid, PaymentTo: order.PaymentCompleted}
	review := &order.Transition{OrderID: "o", PaymentID: "p", OrderTo: order.PaymentPending, PaymentTo: order.PaymentReview}
	type line struct {
		Level, Result, ID, Error              string
		Attempt                               int
		Order, Status, Payment, PaymentStatus string
	}
	for _, c := range []struct {
		name   string
		ledger *ledger
		last   bool
		want   line
		next   string // for the queue
		failed map[string]string
	}{
		{"applied", &ledger{results: map[string]order.Result{"e": {Outcome: event.Applied, Transition: paid}}}, false,
			line{Level: "INFO", Result: "applied", Order: "o", Status: "PAID", Payment: "p", PaymentStatus: "COMPLETED"}, "done", nil},
		{"no change", &ledger{results: map[string]order.Result{"e": {Outcome: event.NoChange}}}, false, line{Level: "INFO", Result: "no_change"}, "done", nil},
		{"ignored", &ledger{results: map[string]order.Result{"e": {Outcome: event.Ignored}}}, true, line{Level: "INFO", Result: "ignored"}, "done", nil},
		{"finished before", &ledger{}, true, line{Level: "INFO", Result: "done_before"}, "done", nil},
		{"waits for its payment", &ledger{results: map[string]order.Result{"e": {Err: waiting}}}, false,
			line{Level: "INFO", Result: "waiting", Error: "no payment yet"}, "retry", nil},
		{"has waited long enough", &ledger{results: map[string]order.Result{"e": {Err: waiting}}}, true,
			line{Level: "ERROR", Result: "failed", Error: "no payment yet"}, "retry", nil},
		{"wrong amount", &ledger{results: map[string]order.Result{"e": {Outcome: event.Applied, Transition: review, Err: event.Permanent(wrong)}}}, false,
			line{Level: "ERROR", Result: "failed", Error: "wrong amount", Order: "o", Status: "PAYMENT_PENDING", Payment: "p", PaymentStatus: "REVIEW"}, "archive", nil},
		{"outage", &ledger{errs: map[string]error{"e": outage}}, true,
			line{Level: "ERROR", Result: "unavailable", Error: "settling: connection refused"}, "free retry", nil},
		{"can't be stored", &ledger{errs: map[string]error{"e": unstorable}}, false,
			line{Level: "ERROR", Result: "failed", Error: "settling: the database refuses this row: null byte"}, "archive",
			map[string]string{"e": "settling: the database refuses this row: null byte"}},
		{"can't be stored, and neither can that", &ledger{errs: map[string]error{"e": unstorable}, failErr: outage}, false,
			line{Level: "ERROR", Result: "unavailable", Error: "settling: the database refuses this row: null byte: connection refused"}, "free retry",
			map[string]string{"e": "settling: the database refuses this row: null byte"}},
		{"panics, and that can't be stored", &ledger{errs: map[string]error{"e": event.Permanent(errors.New("at the till"))}, failErr: outage}, false,
			line{Level: "ERROR", Result: "unavailable", Error: "settling: at the till: connection refused"}, "free retry",
			map[string]string{"e": "settling: at the till"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			m := telemetry.NewMetrics()
			p, stop := start(c.ledger, nothing, m, slog.New(slog.NewJSONHandler(&log, nil)))
			a := attempt("e")
			a.Last = c.last
			err := p.Process(t.Context(), a)
			stop()
			if got := next(err); got != c.next {
				t.Errorf("the queue's next step: %s (%v), want %s", got, err, c.next)
			}
			var got line
			if err := json.Unmarshal([]byte(log.String()), &got); err != nil { // fails for two lines
				t.Fatal(err)
			}
			c.want.ID, c.want.Attempt = "e", 3
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error("the line (-want +got)\n", diff)
			}
			if diff := cmp.Diff(map[string]float64{c.want.Result: 1}, counts(t, m)); diff != "" {
				t.Error("counted (-want +got)\n", diff)
			}
			if diff := cmp.Diff(c.failed, c.ledger.failed); diff != "" {
				t.Error("FailEvent (-want +got)\n", diff)
			}
		})
	}
}

// next is what the queue makes of an error.
func next(err error) string {
	switch {
	case err == nil:
		return "done"
	case event.IsPermanent(err):
		return "archive"
	case event.IsUnavailable(err):
		return "free retry"
	}
	return "retry"
}

// counts are the attempts by result, but for results that there were none of.
func counts(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tillhook_attempts_total" {
			for _, one := range f.GetMetric() {
				if n := one.GetCounter().GetValue(); n > 0 { // all begin with zero
					all[one.GetLabel()[0].GetValue()] = n
				}
			}
		}
	}
	return all
}

// Neither a body that makes the decoder panic, nor one that can't be stored, nor
// one whose order is being fought over, or has a trigger that fails, takes the events
// beside it along.
func TestABadEventFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{
			results: map[string]order.Result{"good": {Outcome: event.Applied}, "good too": {Outcome: event.NoChange}},
			errs:    map[string]error{"unstorable": event.ErrUnstorable, "contended": event.ErrContended, "trigger": event.ErrTrigger},
			hold:    make(chan struct{}),
		}
		decode := func(eventType string, _ []byte) (order.Contribution, error) {
			if eventType == "panics" {
				panic("at the till")
			}
			return order.Contribution{}, nil
		}
		p, stop := start(l, decode, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
		defer stop()
		errs := map[string]error{}
		var callers sync.WaitGroup
		var mu sync.Mutex
		for _, id := range []string{"first", "good", "panics", "unstorable", "contended", "trigger", "good too"} {
			callers.Go(func() {
				err := p.Process(t.Context(), attempt(id))
				mu.Lock()
				defer mu.Unlock()
				errs[id] = err
			})
			synctest.Wait()
		}
		close(l.hold)
		callers.Wait()
		got := map[string]string{}
		for id, err := range errs {
			got[id] = next(err)
		}
		want := map[string]string{"first": "done", "good": "done", "good too": "done", "panics": "archive", "unstorable": "archive", "contended": "free retry", "trigger": "free retry"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		if err := errs["panics"]; err == nil || err.Error() != "decoding panics panicked: at the till" {
			t.Errorf("%v", err)
		}
		// The first alone, then the six, then their halves.
		if diff := cmp.Diff([]int{1, 6, 3, 1, 2, 1, 1, 3, 1, 2, 1, 1}, l.batches); diff != "" {
			t.Error("batches (-want +got)\n", diff)
		}
	})
}

// The events of many tasks share transactions, of 128 at the most, and where many
// wait there are two at a time. Close lets the accepted ones finish; later ones are
// for another worker.
func TestEventsShareTransactions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, m := &ledger{hold: make(chan struct{})}, telemetry.NewMetrics()
		p, stop := start(l, nothing, m, slog.New(slog.DiscardHandler))
		var callers sync.WaitGroup
		for range 1 + 128 + 128 + 10 {
			callers.Go(func() {
				if err := p.Process(t.Context(), attempt("e")); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // so that the first is alone under way
		}
		p.Close()
		if err := p.Process(t.Context(), attempt("late")); !event.IsUnavailable(err) {
			t.Errorf("after Close: %v, want another attempt that costs nothing", err)
		}
		l.hold <- struct{}{}
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 128, 128}, l.batches); diff != "" {
			t.Error("under way (-want +got)\n", diff)
		}
		close(l.hold)
		callers.Wait()
		stop()
		if diff := cmp.Diff([]int{1, 128, 128, 10}, l.batches); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		var h dto.Metric
		if err := m.ApplyEvents.Write(&h); err != nil {
			t.Fatal(err)
		}
		if n, sum := h.Histogram.GetSampleCount(), h.Histogram.GetSampleSum(); n != 4 || sum != 267 {
			t.Errorf("counted %d transactions of %g events, want 4 of 267", n, sum)
		}
	})
}

// A task whose time is up doesn't wait for its transaction any longer, and
// costs no attempt.
func TestATaskWhoseTimeIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{hold: make(chan struct{})}
		p, stop := start(l, nothing, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- p.Process(ctx, attempt("e")) }()
		synctest.Wait()
		cancel()
		if err := <-result; !event.IsUnavailable(err) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		close(l.hold)
		stop()
	})
}

package worker_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
	"tillhook/pkg/worker"
)

func (a *archive) SucceedEvent(_ context.Context, _ event.Attempt, r event.Record) (bool, error) {
	news, err := a.InsertEvents(context.Background(), []event.Record{r})
	return news[0], err
}

// desk answers what a thin event is about, by its id.
type desk map[string]error

func (d desk) Follow(_ context.Context, e event.Stored) (event.Heard, error) {
	return heard("fetched_"+e.ID, event.Hints{}), d[e.ID]
}

// A thin event is settled by what Stripe has of its object, without taking the
// events beside it along.
func TestOutcomeOfAThinEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  error
		last   bool
		raced  bool
		next   string
		result string
		failed string // the reason given to FailEvent
	}{
		{"fetched", nil, false, false, "done", "applied", ""},
		{"fetched before", nil, false, true, "done", "no_change", ""},
		{"Stripe is away", event.ErrNoAnswer, false, false, "retry", "waiting", ""},
		{"too much is asked", event.ErrTooMany, false, false, "free retry", "waiting", ""},
		{"too much is asked, at the last attempt", event.ErrTooMany, true, false, "free retry", "waiting", ""},
		{"Stripe was away for three days", event.ErrNoAnswer, true, false, "retry", "failed", "no usable answer from Stripe"},
		{"gone", event.Permanent(event.ErrNotThere), false, false, "archive", "failed", "no such object at Stripe for this API key"},
		{"no key", event.Permanent(event.ErrNoAPIKey), false, false, "archive", "failed",
			"the restaurant has no API key to ask Stripe with; mend it with ops secrets set-api-key, then ops events replay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newArchive()
			a.racing["fetched_v1.e"] = c.raced
			follower := worker.NewFollower(func(name string) bool { return strings.HasPrefix(name, "v1.") }, 384, desk{"v1.e": c.fault}, a, a)
			l, m := &ledger{results: map[string]order.Result{"e": {Outcome: event.NoChange}}}, telemetry.NewMetrics()
			p := worker.NewProcessor(l, nothing, follower, m, slog.New(slog.DiscardHandler))
			ended := make(chan struct{})
			go func() { defer close(ended); p.Run(context.Background()) }()
			at := attempt("v1.e")
			at.Last = c.last
			err := p.Process(t.Context(), at)
			if err := p.Process(t.Context(), attempt("e")); err != nil {
				t.Errorf("the ordinary one beside it: %v", err)
			}
			p.Close()
			<-ended
			if got := next(err); got != c.next {
				t.Errorf("the queue's next step: %s (%v), want %s", got, err, c.next)
			}
			want := map[string]float64{"no_change": 1}
			want[c.result]++
			if diff := cmp.Diff(want, counts(t, m)); diff != "" {
				t.Error("counted (-want +got)\n", diff)
			}
			if l.failed["v1.e"] != c.failed {
				t.Errorf("FAILED for %q, want %q", l.failed["v1.e"], c.failed)
			}
			if stored, queued := len(a.stored), len(a.queued); c.result == "applied" && (stored != 1 || queued != 1) {
				t.Errorf("%d stored, %d queued", stored, queued)
			}
		})
	}
}

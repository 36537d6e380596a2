package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/worker"
)

// archive keeps events in memory.
type archive struct {
	mu      sync.Mutex
	stored  map[string]event.Record // by Stripe's id
	foreign map[string]bool         // names that are another restaurant's
	racing  map[string]bool         // stored by somebody else in between
	queued  []string
	fullErr error // of the queue
}

func newArchive(known ...string) *archive {
	a := &archive{stored: map[string]event.Record{}, foreign: map[string]bool{}, racing: map[string]bool{}}
	for _, id := range known {
		a.stored[id] = event.Record{}
	}
	return a
}

func (a *archive) KnownEvents(_ context.Context, records []event.Record) ([]bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := make([]bool, len(records))
	for i, r := range records {
		_, known[i] = a.stored[r.ProviderEventID]
	}
	return known, nil
}

func (a *archive) ForeignEvents(_ context.Context, _ string, hints []event.Hints) ([]bool, error) {
	foreign := make([]bool, len(hints))
	for i, h := range hints {
		foreign[i] = a.foreign[h.OrderID]
	}
	return foreign, nil
}

func (a *archive) InsertEvents(_ context.Context, records []event.Record) ([]bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := make([]bool, len(records))
	for i, r := range records {
		if news[i] = !a.racing[r.ProviderEventID]; news[i] {
			a.stored[r.ProviderEventID] = r
		}
	}
	return news, nil
}

func (a *archive) Enqueue(_ context.Context, ref event.Ref, _ string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fullErr == nil {
		a.queued = append(a.queued, ref.ID)
	}
	return a.fullErr
}

func heard(id string, hints event.Hints) event.Heard {
	return event.Heard{Record: event.Record{ProviderEventID: id, Type: "charge.succeeded", OccurredAt: time.Unix(1, 0)}, Hints: hints}
}

func TestIntakeStoresWhatIsNewAndTheRestaurantsOwn(t *testing.T) {
	t.Parallel()
	a := newArchive("evt_known")
	a.foreign["theirs"], a.racing["evt_raced"] = true, true
	in := worker.NewIntake(a, a)
	all := []event.Heard{
		heard("evt_new", event.Hints{RestaurantID: "r"}), heard("evt_known", event.Hints{}), heard("evt_bare", event.Hints{}),
		heard("evt_named", event.Hints{RestaurantID: "other"}), heard("evt_led", event.Hints{OrderID: "theirs"}), heard("evt_raced", event.Hints{}),
	}
	records, foreseen, err := in.Sort(t.Context(), "r", event.Backfilled, all)
	want := worker.Tally{Seen: 6, Known: 1, Foreign: 2, New: 3}
	if diff := cmp.Diff(want, foreseen); diff != "" || err != nil || len(records) != 3 || len(a.stored) != 1 {
		t.Errorf("foreseen: %v (-want +got)\n%s", err, diff)
	}
	got, err := in.Take(t.Context(), "r", event.Backfilled, all)
	want.Known, want.New = 2, 2
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	r := a.stored["evt_new"]
	if r.Source != event.Backfilled || r.Status != event.Processing || r.RestaurantID != "r" || r.ID == "" || r.SignedWith != "" {
		t.Errorf("stored as %+v", r)
	}
	if len(a.queued) != 2 {
		t.Errorf("%d queued, want the two that are new", len(a.queued))
	}
	// Stored is stored, whether or not Redis is there.
	a.fullErr = errors.New("Redis is away")
	if got, err := in.Take(t.Context(), "r", event.Backfilled, []event.Heard{heard("evt_later", event.Hints{})}); err != nil || got.New != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// turns is Stripe's list, of one event for each question, and the turns. The test
// holds its lock, but for the time that it lets pass.
type turns struct {
	sync.Mutex
	asked   []time.Duration // when, and
	slices  []string        // for which hours before the beginning
	began   time.Time
	covered time.Time
	next    time.Time
	fault   string
	saves   int
	err     error // of Stripe
	errAt   int   // from this question on
	hang    bool  // the answer doesn't come
}

func (b *turns) ClaimBackfill(_ context.Context, first, lease time.Duration) (event.Backfill, bool, error) {
	b.Lock()
	defer b.Unlock()
	if time.Now().Before(b.next) {
		return event.Backfill{}, false, nil
	}
	if b.covered.IsZero() {
		b.covered = time.Now().Add(-first)
	}
	b.next = time.Now().Add(lease)
	return event.Backfill{RestaurantID: "r", CoveredUntil: b.covered, LastError: b.fault, Now: time.Now()}, true, nil
}

func (b *turns) SaveBackfill(_ context.Context, _ string, covered time.Time, _ int, fault string, next time.Duration) error {
	b.Lock()
	defer b.Unlock()
	b.saves++
	b.covered, b.fault, b.next = covered, fault, time.Now().Add(next)
	return nil
}

func (b *turns) Events(ctx context.Context, q event.Query) (event.Page, error) {
	b.Lock()
	defer b.Unlock()
	b.asked = append(b.asked, time.Since(b.began))
	b.slices = append(b.slices, fmt.Sprintf("%s..%s%s", q.Since.Sub(b.began), q.Until.Sub(b.began), q.After))
	if b.hang {
		b.Unlock()
		<-ctx.Done()
		b.Lock()
		return event.Page{}, ctx.Err()
	}
	if b.err != nil && len(b.asked) > b.errAt {
		return event.Page{}, b.err
	}
	return event.Page{Heard: []event.Heard{heard("evt_"+q.Since.String(), event.Hints{})}}, nil
}

func (b *turns) pass(d time.Duration) {
	b.Unlock()
	defer b.Lock()
	<-time.After(d)
	synctest.Wait()
}

// backfiller runs one; stop ends it and waits.
func (b *turns) backfiller(t *testing.T, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	role := worker.NewBackfiller(time.Hour, b, b, worker.NewIntake(newArchive(), nil), log)
	go func() { defer close(ended); role.Run(ctx) }()
	return func() {
		b.Unlock()
		defer b.Lock()
		cancel()
		<-ended
	}
}

func TestTheBackfillerGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &turns{began: time.Now()}
		b.Lock()
		defer b.Unlock()
		b.covered = b.began.Add(-3 * time.Hour)
		b.err, b.errAt = errors.New("Stripe is away"), 2
		var log strings.Builder
		stop := b.backfiller(t, slog.New(slog.NewTextHandler(&log, nil)))
		b.pass(time.Second)
		// 15 min are looked at again; the third slice fails.
		if diff := cmp.Diff([]string{"-3h15m0s..-2h15m0s", "-2h15m0s..-1h15m0s", "-1h15m0s..-15m0s"}, b.slices); diff != "" {
			t.Error("first turn (-want +got)\n", diff)
		}
		if want := b.began.Add(-75 * time.Minute); !b.covered.Equal(want) || b.fault != "Stripe is away" {
			t.Errorf("covered until %s, %q", b.covered.Sub(b.began), b.fault)
		}
		b.pass(time.Hour) // the second turn fails as the first
		if n := strings.Count(log.String(), "Stripe can't be asked"); n != 1 {
			t.Errorf("the same fault is said %d times", n)
		}
		b.slices, b.err = nil, nil
		b.pass(time.Hour + time.Minute)
		if diff := cmp.Diff([]string{"-1h30m0s..-30m0s", "-30m0s..30m0s", "30m0s..1h30m0s"}, b.slices[:3]); diff != "" {
			t.Error("third turn (-want +got)\n", diff)
		}
		if b.fault != "" || b.covered.Before(b.began.Add(110*time.Minute)) {
			t.Errorf("covered until %s, %q", b.covered.Sub(b.began), b.fault)
		}
		stop()
		stop()
	})
}

// A worker that is told to stop gives the turn back, with what it has done.
func TestTheBackfillerStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &turns{began: time.Now(), hang: true}
		b.Lock()
		defer b.Unlock()
		b.covered = b.began.Add(-5 * time.Hour)
		stop := b.backfiller(t, slog.New(slog.DiscardHandler))
		b.pass(time.Second)
		stop()
		if !b.next.Equal(time.Now()) || !b.covered.Equal(b.began.Add(-5*time.Hour)) || b.fault != "" || len(b.asked) != 1 {
			t.Errorf("next turn in %s, covered until %s, %q, asked %d times", time.Until(b.next), b.covered.Sub(b.began), b.fault, len(b.asked))
		}
	})
}

// No turn looks further back than Stripe remembers.
func TestTheBackfillerLooksThirtyDaysBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &turns{began: time.Now()}
		b.Lock()
		defer b.Unlock()
		b.covered = b.began.Add(-90 * 24 * time.Hour)
		stop := b.backfiller(t, slog.New(slog.DiscardHandler))
		b.pass(time.Second)
		stop()
		if b.slices[0] != "-720h0m0s..-719h0m0s" || len(b.slices) != 720 {
			t.Errorf("%d slices from %s", len(b.slices), b.slices[0])
		}
	})
}

package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
)

type useStore struct {
	mu   sync.Mutex
	err  error
	puts [][]event.SecretUse
}

func (s *useStore) PutSecretUses(_ context.Context, uses []event.SecretUse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.puts = append(s.puts, uses)
	}
	return s.err
}

func (s *useStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.puts)
}

func (s *useStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// What we have signed ourselves goes the way of a delivery, and leaves no trace
// of a secret that Stripe would have signed with.
func TestATestEventUsesNoSecret(t *testing.T) {
	t.Parallel()
	w := &world{configs: []event.Config{restaurant("a"), restaurant("b")}}
	r := newReceiver(t, w, false)
	test := envelope("evt_test")
	test.Type = event.TestType
	for _, env := range []event.Envelope{test, envelope("evt_1")} {
		if got := r.post(hook+"/a", "whsec_a", env); got.Status != 200 {
			t.Fatalf("%+v", got)
		}
		r.uses.Flush(t.Context())
		if env.Type == event.TestType && len(r.used.puts) > 0 {
			t.Error("noted as a use:", r.used.puts)
		}
	}
	var got []string
	for _, row := range w.rows {
		got = append(got, strings.Join([]string{row.ProviderEventID, string(row.Source), row.SignedWith}, " "))
	}
	if diff := cmp.Diff([]string{"evt_test test ", "evt_1  current"}, got); diff != "" || len(r.used.puts) != 1 {
		t.Errorf("%v (-want +got)\n%s", r.used.puts, diff)
	}
}

// A secret that verifies thousands of deliveries costs one row a minute, the first
// at once, and a database that is away costs none of them.
func TestUsesAreStoredOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &useStore{}
		u := newUses(store, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); u.Run(ctx) }()
		for range 1000 {
			u.Note(useKey{"a", "old", 1}, time.Now())
			synctest.Wait()
			u.Note(useKey{"b", "new", 1}, time.Now())
			synctest.Wait()
		}
		<-time.After(30 * time.Second)
		u.Note(useKey{"a", "old", 1}, time.Now())
		<-time.After(40 * time.Second)
		store.fail(errors.New("away"))
		u.Note(useKey{"a", "old", 1}, time.Now())
		<-time.After(5 * time.Second)
		u.Note(useKey{"c", "x", 1}, time.Now()) // is not asked for while the database is away
		synctest.Wait()
		store.fail(nil)
		u.Note(useKey{"a", "old", 2}, time.Now()) // another secret is stored beside it
		synctest.Wait()
		if n := store.count(); n != 2 {
			t.Errorf("%d stored after a failure, before it is tried again", n)
		}
		<-time.After(5 * time.Second)
		u.Note(useKey{"a", "old", 3}, time.Now()) // and at once it again
		stop()
		<-done
		want := [][]event.SecretUse{
			{{RestaurantID: "a", Fingerprint: "old"}},
			{{RestaurantID: "b", Fingerprint: "new"}},
			// The time when nothing could be stored is counted.
			{{RestaurantID: "a", Fingerprint: "old", Ago: time.Second}, {RestaurantID: "c", Fingerprint: "x", Ago: time.Second}},
			{{RestaurantID: "a", Fingerprint: "old"}},
		}
		if diff := cmp.Diff(want, store.puts); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

package ingest

import (
	"context"
	"errors"
	"log/slog"
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

func (s *useStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// A secret that verifies thousands of deliveries costs one row a minute, and
// a database that is away costs none of them.
func TestUsesAreStoredOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &useStore{}
		u := newUses(store, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); u.Run(ctx) }()
		began := time.Now()
		for range 1000 {
			u.Note(useKey{"b", "new"}, time.Now())
			u.Note(useKey{"a", "old"}, time.Now())
		}
		<-time.After(30 * time.Second)
		u.Note(useKey{"a", "old"}, time.Now())
		<-time.After(40 * time.Second)
		store.fail(errors.New("away"))
		u.Note(useKey{"a", "old"}, time.Now())
		<-time.After(5 * time.Second)
		store.fail(nil)
		<-time.After(5 * time.Second)
		u.Note(useKey{"c", "x"}, time.Now())
		stop()
		<-done
		want := [][]event.SecretUse{
			{{RestaurantID: "a", Fingerprint: "old", At: began}, {RestaurantID: "b", Fingerprint: "new", At: began}},
			{{RestaurantID: "a", Fingerprint: "old", At: began.Add(70 * time.Second)}},
			{{RestaurantID: "c", Fingerprint: "x", At: began.Add(80 * time.Second)}},
		}
		if diff := cmp.Diff(want, store.puts); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
	})
}

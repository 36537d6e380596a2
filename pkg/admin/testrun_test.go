package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// looks are the answers to the looks for an event, one after the other. The last
// one ends the wait for it.
type looks struct {
	Events
	answers []error
	end     context.CancelFunc
}

func (l *looks) Event(ctx context.Context, _ string) (EventDetail, error) {
	if len(l.answers) == 0 {
		l.end()
		return EventDetail{}, ctx.Err()
	}
	err := l.answers[0]
	l.answers = l.answers[1:]
	return EventDetail{}, err
}

// A database that can't be asked is no word against the endpoint: whether the
// event is stored nobody knows then.
func TestATestEventThatCanNotBeLookedFor(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	away := errors.New("the database is away")
	for _, c := range []struct {
		name    string
		answers []error
		fault   error
		hops    []string
	}{
		{"away all the time", []error{away, away}, away, nil},
		{"away at the end", []error{ErrNotFound, away}, away, nil},
		{"away for a moment", []error{away, ErrNotFound}, nil, []string{"Sent", "Answered", "Stored"}},
		{"not stored", []error{ErrNotFound}, nil, []string{"Sent", "Answered", "Stored"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, end := context.WithCancel(t.Context())
			defer end()
			s := &Server{Config: Config{IngestURL: endpoint.URL, Events: &looks{answers: c.answers, end: end}}}
			run, err := s.test(ctx, Signed{ID: "evt_1", Slug: "a"})
			if !errors.Is(err, c.fault) {
				t.Fatalf("%v, want %v", err, c.fault)
			}
			var hops []string
			if run != nil {
				for _, h := range run.Hops {
					hops = append(hops, h.Name)
				}
			}
			if diff := cmp.Diff(c.hops, hops); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

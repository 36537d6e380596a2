package admin

import (
	"fmt"
	"net/http"
	"testing"

	"tillhook/pkg/event"
)

// So many live pages of one operator, and of all of them; what is over makes
// room, and leaves nothing behind.
func TestLivePagesAreBounded(t *testing.T) {
	t.Parallel()
	s := newStreams()
	var all []*stream
	for i := range 5 {
		one := s.join("anna", fmt.Sprint("session ", i%2))
		if one == nil {
			t.Fatalf("live page %d of an operator is refused", i+1)
		}
		all = append(all, one)
	}
	if s.join("anna", "session 2") != nil {
		t.Error("a sixth live page of one operator")
	}
	for i := range 55 {
		if s.join(fmt.Sprint("operator ", i), "theirs") == nil {
			t.Fatalf("live page %d of all is refused", i+6)
		}
	}
	if s.join("vito", "his") != nil {
		t.Error("a sixty-first live page")
	}
	s.end("session 0") // three of them
	s.end("session 0")
	for i, one := range all {
		select {
		case <-one.over:
			if i%2 != 0 {
				t.Error("a page of another session is over")
			}
		default:
			if i%2 == 0 {
				t.Error("a page of a session that has ended goes on")
			}
		}
		s.leave(one) // also one that is over
	}
	for range 5 {
		if s.join("anna", "session 3") == nil {
			t.Fatal("those that were left are still counted")
		}
	}
}

func TestTheLivePageTooManyIsToldToWait(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	for range 5 {
		s.streams.join("1", "other")
	}
	rec := s.try(t, http.MethodGet, "/admin/live", string(event.Viewer), "")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "60" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
}

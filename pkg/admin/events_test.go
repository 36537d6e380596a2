package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tillhook/pkg/event"
)

// replaying is a desk that replays, and queues so many of the tasks.
type replaying struct {
	Events
	queued int
}

func (replaying) SearchEvents(context.Context, Search) (EventPage, error) { return EventPage{}, nil }

func (replaying) Event(_ context.Context, id string) (EventDetail, error) {
	return EventDetail{Event: Event{ID: id, Type: "charge.succeeded", Status: string(event.Processing)}}, nil
}

func (r replaying) Replay(_ context.Context, _ string, ids []string) (Replayed, error) {
	return Replayed{Events: len(ids), Queued: min(r.queued, len(ids))}, nil
}

// replayed is what the page says after a replay of these events.
func replayed(t *testing.T, s *Server, form url.Values) string {
	t.Helper()
	token := string(event.Operates)
	form.Set("csrf", csrfToken(token))
	req := httptest.NewRequest(http.MethodPost, "/admin/events/replay", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(&http.Cookie{Name: s.cookieName("session"), Value: token})
	rec := httptest.NewRecorder()
	s.echo.ServeHTTP(rec, req)
	if rec.Code != http.StatusSeeOther {
		t.Fatal(rec.Code, rec.Body)
	}
	return green(s.try(t, http.MethodGet, rec.Header().Get("Location"), token, "").Body.String())
}

// green is what a page says that was done.
func green(page string) string {
	_, page, _ = strings.Cut(page, `<p class="said good" role="status">`)
	page, _, _ = strings.Cut(page, "</p>")
	return page
}

// While Redis is away nobody is told that the workers have what was replayed.
func TestAReplaySaysWhetherItIsQueued(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	for _, c := range []struct {
		queued int
		form   url.Values
		want   string
	}{
		{2, url.Values{"id": {"a", "b"}}, "Replayed: 2 events. The workers have them now."},
		{1, url.Values{"id": {"a", "b"}}, "Replayed: 2 events. " + queuedLater},
		{1, url.Values{"id": {"a"}, "back": {"event"}}, "Replayed. The workers have it now."},
		{0, url.Values{"id": {"a"}, "back": {"event"}}, "Replayed. " + queuedLater},
	} {
		s.Events = replaying{queued: c.queued}
		if got := replayed(t, s, c.form); got != c.want {
			t.Errorf("%d queued: %q, want %q", c.queued, got, c.want)
		}
	}
}

// A link puts no words of its own on the page.
func TestALinkSaysNothing(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	s.Events = replaying{}
	for _, n := range []string{"50 events. Ring +1 555 0100 to have the rest done", "-1", "0", "9999999", "1e3"} {
		page := s.try(t, http.MethodGet, "/admin/events?replayed="+url.QueryEscape(n), string(event.Viewer), "").Body.String()
		if said := green(page); said != "" {
			t.Errorf("%q: a viewer reads %q", n, said)
		}
	}
}

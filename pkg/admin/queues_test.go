package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tillhook/pkg/event"
)

// Nothing but asynq's own page may make styles as it goes or stand in a frame,
// and that one only in a frame of ours.
func TestOnlyTheQueuesHaveALooserPolicy(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	s.viewerQueues = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><html><head><link rel="manifest" href="x"><script src="a"></script><script>1</script></head></html>`)
	})
	token := string(event.Viewer)
	inline := "style-src 'self' 'unsafe-inline'"
	for path, want := range map[string]struct {
		policy, frames string
	}{
		"/admin": {policy, "DENY"}, "/admin/signin": {policy, "DENY"}, "/nowhere": {policy, "DENY"}, "/admin/static/panel.css": {policy, "DENY"},
		"/admin/queues": {framePolicy, "DENY"}, "/admin/queues?at=/queues/critical": {framePolicy, "DENY"}, "/admin/queues/uivil": {policy, "DENY"},
		"/admin/queues/ui/api/queues": {framedPolicy, "SAMEORIGIN"},
	} {
		rec := s.try(t, http.MethodGet, path, token, "")
		if got := rec.Header().Get("Content-Security-Policy"); got != want.policy || rec.Header().Get("X-Frame-Options") != want.frames {
			t.Errorf("%s: %s, %s", path, got, rec.Header().Get("X-Frame-Options"))
		}
	}
	for _, p := range []string{policy, framePolicy, framedPolicy} {
		if strings.Contains(p, "unsafe") || strings.Contains(p, "nonce") {
			t.Errorf("a policy of our own pages is loose: %s", p)
		}
	}
	rec := s.try(t, http.MethodGet, "/admin/queues/ui/queues/low", token, "")
	got := rec.Header().Get("Content-Security-Policy")
	if !strings.Contains(got, inline) || strings.Contains(got, "script-src 'self' 'unsafe") || !strings.Contains(got, "frame-ancestors 'self'") || strings.Contains(rec.Body.String(), "manifest") {
		t.Errorf("%s\n%s", got, rec.Body)
	}
	// Somebody who kept its address gets the way back as well.
	rec = s.try(t, http.MethodGet, "/admin/queues/ui/queues/low", token, "", "Sec-Fetch-Dest", "document")
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/admin/queues?at=%2Fqueues%2Flow" {
		t.Errorf("%d to %s", rec.Code, rec.Header().Get("Location"))
	}
	for at, frame := range map[string]string{"/queues/low": "/admin/queues/ui/queues/low", "//evil.example": "/admin/queues/ui", "/../signout": "/admin/queues/ui",
		`"onload=x`: "/admin/queues/ui", "javascript:1": "/admin/queues/ui"} {
		rec := s.try(t, http.MethodGet, "/admin/queues?at="+at, token, "")
		if !strings.Contains(rec.Body.String(), `src="`+frame+`"`) {
			t.Errorf("%s: %s", at, rec.Body)
		}
	}
}

// Asking for a million tasks at once gets a hundred.
func TestQueuePagesAreBounded(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{"": "", "size=20&page=3": "size=20&page=3", "size=100": "size=100", "size=101": "size=100",
		"page=2&size=1000000": "page=2&size=100", "size=-1": "size=100", "size=x": "size=100", "size=99999999999999999999": "size=100"} {
		req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/admin/queues/ui/api/queues/low/pending_tasks?"+query, nil)
		boundPage(req)
		if got := req.URL.RawQuery; got != want {
			t.Errorf("%q became %q, want %q", query, got, want)
		}
	}
}

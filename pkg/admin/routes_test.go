package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/event"
)

// doorman knows a session for each role, and nothing else. What a route does
// behind its guard is not asked for here: it fails, for want of a database.
type doorman struct{ Sessions }

func (doorman) Session(_ context.Context, hash []byte, _ time.Duration, _ bool) (event.Operator, error) {
	for _, role := range []event.Access{event.Viewer, event.Operates} {
		if string(hash) == string(hashToken(string(role))) {
			return event.Operator{ID: "1", Email: string(role) + "@example.com", Role: role}, nil
		}
	}
	return event.Operator{}, event.ErrNoOperator
}

func guardedServer(t *testing.T, insecure bool) *Server {
	t.Helper()
	s, err := NewServer(Config{Sessions: doorman{}, Insecure: insecure, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Queues: func(string, bool) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		}})
	if err != nil {
		t.Fatal(err)
	}
	s.stop() // streams end at once
	return s
}

func (s *Server) try(t *testing.T, method, path, token, csrf string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(url.Values{"csrf": {csrf}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if token != "" {
		req.AddCookie(&http.Cookie{Name: s.cookieName("session"), Value: token})
	}
	rec := httptest.NewRecorder()
	s.echo.ServeHTTP(rec, req)
	return rec
}

// Every route, by who asks for it: strangers get nothing but the door, viewers
// change nothing, and without the form's token nobody does.
func TestEveryRouteAsksWhoItIs(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	mayChange := map[string]bool{ // all that is not only looked at, beside signing in and out
		"POST /admin/events/:id": true, "POST /admin/events/replay": true, "POST /admin/orders/:id/reconcile": true,
		"POST /admin/settings/payments/:restaurant/secret": true, "POST /admin/settings/payments/:restaurant/test": true,
		"POST /admin/queues/ui/*": true, "DELETE /admin/queues/ui/*": true,
	}
	open := map[string]bool{"GET /": true, "GET /health": true, "GET /admin/static/:file": true, "GET /admin/signin": true, "POST /admin/signin": true}
	routes := s.echo.Routes()
	if len(routes) != len(s.routes()) {
		t.Errorf("%d routes, %d in the table", len(routes), len(s.routes()))
	}
	for _, r := range routes {
		name := r.Method + " " + r.Path
		path := strings.NewReplacer(":id", "x", ":restaurant", "x", ":file", "panel.css", "*", "api/x").Replace(r.Path)
		queue := strings.HasPrefix(r.Path, queuesUI)
		letIn := func(token, csrf string) bool {
			var header []string
			if queue && csrf != "" { // what a browser says there in place of a token
				header = []string{"Origin", "http://example.com"}
			}
			switch code := s.try(t, r.Method, path, token, csrf, header...).Code; code {
			case http.StatusUnauthorized, http.StatusForbidden:
				return false
			case http.StatusSeeOther:
				return open[name] || r.Path == root+"/signout"
			default:
				return true
			}
		}
		if open[name] {
			continue // TestSignIn… knows what these do
		}
		viewerToken, operatorToken := string(event.Viewer), string(event.Operates)
		for _, c := range []struct {
			who, token, csrf string
			want             bool
		}{
			{"a stranger", "", "", false},
			{"a stranger with a token", "made-up", csrfToken("made-up"), false},
			{"a viewer", viewerToken, csrfToken(viewerToken), !mayChange[name]},
			{"an operator", operatorToken, csrfToken(operatorToken), true},
			{"an operator without the form's token", operatorToken, "", r.Method == http.MethodGet},
			{"an operator with another's token", operatorToken, csrfToken(viewerToken), r.Method == http.MethodGet || queue},
		} {
			if got := letIn(c.token, c.csrf); got != c.want {
				t.Errorf("%s, %s: let in is %v", name, c.who, got)
			}
		}
	}
}

func TestWhatAnotherSiteSendsIsRefused(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	token := string(event.Operates)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"/admin/signin", "/admin/queues/ui/api/queues/default:pause", "/admin/events/replay"} {
			if got := s.try(t, http.MethodPost, path, token, csrfToken(token), header...).Code; got != http.StatusForbidden {
				t.Errorf("%v to %s: %d", header, path, got)
			}
		}
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://example.com"}} {
		if got := s.try(t, http.MethodPost, "/admin/queues/ui/api/x", token, "", header...).Code; got != http.StatusInternalServerError {
			t.Errorf("%v: the queues' own page is refused: %d", header, got)
		}
	}
	for _, header := range [][]string{nil, {"Sec-Fetch-Site", "none"}, {"Origin", "null"}, {"Sec-Fetch-Site", "same-site", "Origin", "http://example.com"}} {
		if got := s.try(t, http.MethodDelete, "/admin/queues/ui/api/x", token, csrfToken(token), header...).Code; got != http.StatusForbidden {
			t.Errorf("%v: who doesn't say where this comes from is let in: %d", header, got)
		}
	}
}

func TestHeadersAndCookies(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{true, false} {
		s := guardedServer(t, insecure)
		rec := s.try(t, http.MethodGet, "/admin/signin", "", "")
		for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if hsts := rec.Header().Get("Strict-Transport-Security"); (hsts == "") != insecure {
			t.Errorf("insecure %v: HSTS %q", insecure, hsts)
		}
		cookies := rec.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatal(cookies)
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure == insecure || strings.HasPrefix(c.Name, "__Host-") == insecure {
			t.Errorf("insecure %v: %v", insecure, c)
		}
		if strings.Contains(rec.Body.String(), "<script>") || strings.Contains(rec.Body.String(), "style=") {
			t.Error("something inline is in the page")
		}
	}
}

func TestNobodyIsLedElsewhere(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{"/admin/events?status=FAILED": "/admin/events?status=FAILED", "/admin": "/admin",
		"": "/admin", "https://evil.example/admin": "/admin", "//evil.example/admin/": "/admin", "/admin/\\evil.example": "/admin/\\evil.example"[:6],
		"/adminevil": "/admin", "/admin/../x": "/admin", "/admin/..//evil.example": "/admin", "/admin//evil.example": "/admin", "///evil.example/admin/": "/admin",
		"/admin/\tx": "/admin", "/admin/events\r\nSet-Cookie: a=b": "/admin", "javascript:alert(1)": "/admin", "http:/admin/x": "/admin",
		"//anna:x@evil.example/admin": "/admin", "/admin/orders/%2e%2e": "/admin", "/admin/orders/a%0d%0ab": "/admin/orders/a%0d%0ab"} {
		if got := ownPath(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"tillhook/pkg/api/widget"
)

// A page gets the script once, and is then told that it is still the same.
func TestTheWidgetsScript(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.GET("/widget.js", widgetScript)
	ask := func(tag string) (int, string, http.Header) {
		req := httptest.NewRequest(http.MethodGet, "/widget.js", nil)
		req.Header.Set("If-None-Match", tag)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		return rec.Code, rec.Body.String(), rec.Header()
	}
	status, body, header := ask("")
	if status != 200 || body != string(widget.Script) {
		t.Errorf("%d with %d bytes, want the script", status, len(body))
	}
	want := http.Header{
		"Content-Type": {"text/javascript; charset=utf-8"}, "Cache-Control": {"public, max-age=300"}, "Etag": {widgetTag},
		"Access-Control-Allow-Origin": {"*"}, "Cross-Origin-Resource-Policy": {"cross-origin"},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("headers (-want +got)\n%s", diff)
	}
	if status, body, _ := ask(header.Get("ETag")); status != 304 || body != "" {
		t.Errorf("to who has it: %d %q", status, body)
	}
	if status, _, _ := ask(`"another"`); status != 200 {
		t.Errorf("to who has another: %d", status)
	}
}

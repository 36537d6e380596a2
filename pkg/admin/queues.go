package admin

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
)

// queuesPolicy is looser than ours in one thing: that page makes its styles as
// it goes. Its scripts are named by a nonce.
const queuesPolicy = "default-src 'none'; script-src 'self' 'nonce-%s'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// elsewhere are the fonts that the page would have from another site, and its
// manifest, which a browser asks for without saying who it is.
var elsewhere = regexp.MustCompile(`<link [^>]*(href="https://|rel="manifest")[^>]*>`)

// queues hands over to the queues' own pages, which only read for a viewer.
func (s *Server) queues(c echo.Context) error {
	me := signedIn(c)
	h := s.viewerQueues
	if me.MayChange() {
		h = s.operatorQueues
	}
	req := c.Request()
	if req.Method != http.MethodGet {
		what := strings.TrimPrefix(req.URL.Path, queuesRoot+"/api/")
		if err := s.Audit.Record(req.Context(), me.Email, "panel: queues", "", what[:min(len(what), 200)], req.Method); err != nil {
			return err
		}
	}
	if req.Method != http.MethodGet || strings.HasPrefix(req.URL.Path, queuesRoot+"/api/") || strings.HasPrefix(req.URL.Path, queuesRoot+"/static/") {
		h.ServeHTTP(c.Response(), req)
		return nil
	}
	held := &heldAnswer{header: c.Response().Header(), status: http.StatusOK}
	h.ServeHTTP(held, req)
	body := held.body.String()
	if strings.HasPrefix(body, "<!doctype html>") {
		nonce := newToken()
		c.Response().Header().Set("Content-Security-Policy", strings.Replace(queuesPolicy, "%s", nonce, 1))
		body = elsewhere.ReplaceAllString(body, "")
		body = strings.ReplaceAll(body, "<script", `<script nonce="`+nonce+`"`)
		return c.HTML(held.status, body)
	}
	c.Response().WriteHeader(held.status)
	_, err := c.Response().Write(held.body.Bytes())
	return err
}

// heldAnswer keeps an answer until it has been changed.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(p []byte) (int, error) { return h.body.Write(p) }

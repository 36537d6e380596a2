package admin

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	// framePolicy is of the page that frames asynq's own.
	framePolicy = policy + "; frame-src 'self'"

	// queuesPolicy is looser than ours in one thing: that page makes its styles
	// as it goes. Its scripts are named by a nonce.
	queuesPolicy = "default-src 'none'; script-src 'self' 'nonce-%s'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

	// maxTasks is how many tasks its pages ask for at a time, at the most.
	maxTasks = 100
)

// framedPolicy is for what else is there, such as being told to sign in.
var framedPolicy = strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1)

// elsewhere are the fonts that the page would have from another site, and its
// manifest, which a browser asks for without saying who it is.
var elsewhere = regexp.MustCompile(`<link [^>]*(href="https://|rel="manifest")[^>]*>`)

// queuesPage is a path of asynq's pages.
var queuesPage = regexp.MustCompile(`^(/[A-Za-z0-9_:.-]+)*$`)

func isQueuesUI(path string) bool { return path == queuesUI || strings.HasPrefix(path, queuesUI+"/") }

type queuesView struct {
	Frame    string // the path of the page in the frame
	ReadOnly bool
}

// queues is the page of ours around asynq's, with the way back.
func (s *Server) queues(c echo.Context) error {
	at := c.QueryParam("at")
	if !queuesPage.MatchString(at) || strings.Contains(at, "..") {
		at = ""
	}
	c.Response().Header().Set("Content-Security-Policy", framePolicy)
	return s.render(c, http.StatusOK, "queues", page{Title: "Queues", Content: queuesView{queuesUI + at, !signedIn(c).MayChange()}})
}

// queuesStyle breaks the long ids in what a task has failed of: they ran out of
// its card, and across whatever is beside it. What a line is called stays whole.
const queuesStyle = ".MuiPaper-root .MuiTypography-body1 { overflow-wrap: anywhere } .MuiPaper-root .MuiTypography-subtitle2 { flex-shrink: 0 }"

// queuesUI hands over to asynq's own pages, which only read for a viewer.
func (s *Server) queuesUI(c echo.Context) error {
	me, req := signedIn(c), c.Request()
	h := s.viewerQueues
	if me.MayChange() {
		h = s.operatorQueues
	}
	if req.Method != http.MethodGet {
		what := strings.TrimPrefix(req.URL.Path, queuesUI+"/api/")
		if err := s.Audit.Record(req.Context(), me.Email, "panel: queues", "", what[:min(len(what), 200)], req.Method); err != nil {
			return err
		}
	}
	boundPage(req)
	if req.Method != http.MethodGet || strings.HasPrefix(req.URL.Path, queuesUI+"/api/") || strings.HasPrefix(req.URL.Path, queuesUI+"/static/") {
		h.ServeHTTP(c.Response(), req)
		return nil
	}
	held := &heldAnswer{header: c.Response().Header(), status: http.StatusOK}
	h.ServeHTTP(held, req)
	body := held.body.String()
	if strings.HasPrefix(body, "<!doctype html>") {
		if req.Header.Get("Sec-Fetch-Dest") == "document" { // somebody kept its address: it has no way back
			return c.Redirect(http.StatusSeeOther, queuesRoot+"?at="+url.QueryEscape(strings.TrimPrefix(req.URL.Path, queuesUI)))
		}
		nonce := newToken()
		c.Response().Header().Set("Content-Security-Policy", strings.Replace(queuesPolicy, "%s", nonce, 1))
		body = elsewhere.ReplaceAllString(body, "")
		body = strings.Replace(body, "</head>", "<style>"+queuesStyle+"</style></head>", 1)
		body = strings.ReplaceAll(body, "<script", `<script nonce="`+nonce+`"`)
		return c.HTML(held.status, body)
	}
	c.Response().WriteHeader(held.status)
	_, err := c.Response().Write(held.body.Bytes())
	return err
}

// boundPage bounds how much is asked for at once.
func boundPage(req *http.Request) {
	q := req.URL.Query()
	if size := q.Get("size"); size != "" {
		if n, err := strconv.Atoi(size); err != nil || n > maxTasks || n < 1 {
			q.Set("size", strconv.Itoa(maxTasks))
			req.URL.RawQuery = q.Encode()
		}
	}
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

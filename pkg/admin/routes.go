package admin

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/web"
)

// need is who may use a route.
type need int

const (
	anyone need = iota
	viewer
	operator
)

// route is one thing that can be asked for. All of them stand in one table, so
// that none is without a need, and a test goes through it.
type route struct {
	method, path string
	need         need
	handle       echo.HandlerFunc
	noToken      bool // it is not our forms that ask; see meant
	quiet        bool // doesn't make a session last longer
}

const (
	root       = "/admin"
	queuesRoot = root + "/queues"
	queuesUI   = queuesRoot + "/ui" // asynq's own pages
)

func (s *Server) routes() []route {
	get, post, del := http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{method: get, path: "/", need: anyone, handle: func(c echo.Context) error { return c.Redirect(http.StatusFound, root) }},
		{method: get, path: "/health", need: anyone, handle: func(c echo.Context) error {
			return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
		}},
		{method: get, path: root + "/static/:file", need: anyone, handle: s.static},
		{method: get, path: root + "/signin", need: anyone, handle: s.signInPage},
		{method: post, path: root + "/signin", need: anyone, handle: s.signIn},
		{method: post, path: root + "/signout", need: viewer, handle: s.signOut},

		{method: get, path: root, need: viewer, handle: s.overview},
		{method: get, path: root + "/live", need: viewer, handle: s.live, quiet: true},
		{method: get, path: root + "/events", need: viewer, handle: s.eventList},
		{method: get, path: root + "/events/:id", need: viewer, handle: s.eventDetail},
		{method: post, path: root + "/events/:id", need: operator, handle: s.eventUncovered},
		{method: post, path: root + "/events/replay", need: operator, handle: s.replay},
		{method: get, path: root + "/orders", need: viewer, handle: s.orderList},
		{method: get, path: root + "/orders/:id", need: viewer, handle: s.orderDetail},
		{method: post, path: root + "/orders/:id/reconcile", need: operator, handle: s.reconcile},
		{method: get, path: root + "/settings/payments", need: viewer, handle: s.restaurantList},
		{method: get, path: root + "/settings/payments/:restaurant", need: viewer, handle: s.restaurantDetail},
		{method: post, path: root + "/settings/payments/:restaurant/secret", need: operator, handle: s.setSecret},
		{method: post, path: root + "/settings/payments/:restaurant/test", need: operator, handle: s.sendTest},
		{method: get, path: root + "/audit", need: viewer, handle: s.auditList},
		{method: get, path: queuesRoot, need: viewer, handle: s.queues},
		{method: get, path: queuesUI, need: viewer, handle: s.queuesUI, quiet: true}, // it polls
		{method: get, path: queuesUI + "/*", need: viewer, handle: s.queuesUI, quiet: true},
		{method: post, path: queuesUI + "/*", need: operator, handle: s.queuesUI, noToken: true},
		{method: del, path: queuesUI + "/*", need: operator, handle: s.queuesUI, noToken: true},
	}
}

// guard lets through who may use a route.
func (s *Server) guard(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r.need == anyone {
			return r.handle(c)
		}
		token := s.sessionToken(c)
		me, err := s.who(c.Request().Context(), token, !r.quiet)
		switch {
		case errors.Is(err, event.ErrNoOperator):
			if r.method != http.MethodGet || r.quiet {
				return echo.NewHTTPError(http.StatusUnauthorized, "Sign in first.")
			}
			return c.Redirect(http.StatusSeeOther, root+"/signin?next="+url.QueryEscape(c.Request().URL.RequestURI()))
		case err != nil:
			return err
		}
		c.Set(whoKey, &visitor{Operator: me, CSRF: csrfToken(token)})
		if r.need == operator && me.Role != event.Operates {
			return echo.NewHTTPError(http.StatusForbidden, "A viewer may look at everything here, and change nothing.")
		}
		if r.method != http.MethodGet && !s.meant(c, r, token) {
			return echo.NewHTTPError(http.StatusForbidden, "The page was too old for this. Load it again, and repeat what you did.")
		}
		if err := legible(c); err != nil {
			return err
		}
		return r.handle(c)
	}
}

// legible refuses what can be neither looked for nor stored, wherever it stands:
// in the path, the query, or the form, which meant has read.
func legible(c echo.Context) error {
	if slices.ContainsFunc(c.ParamValues(), illegible) {
		return ErrNotFound
	}
	for _, values := range []url.Values{c.QueryParams(), c.Request().PostForm} {
		for _, all := range values {
			if slices.ContainsFunc(all, illegible) {
				return echo.NewHTTPError(http.StatusBadRequest, "Some of this is no text.")
			}
		}
	}
	return nil
}

func illegible(s string) bool { return !web.IsText(s) }

// meant reports whether a page of ours has sent this: by the token in its form
// or, where asynq's own scripts ask, by what only a browser can say of a page.
// Who says nothing of either is refused.
func (s *Server) meant(c echo.Context, r route, token string) bool {
	if !r.noToken {
		return subtle.ConstantTimeCompare([]byte(c.FormValue("csrf")), []byte(csrfToken(token))) == 1
	}
	req := c.Request()
	if site := req.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(req.Header.Get("Origin"))
	return err == nil && origin.Host != "" && origin.Host == req.Host
}

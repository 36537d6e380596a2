package admin

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/web"
)

const (
	// passwordChecks is how many passwords are checked at a time: each takes
	// 19 MiB and a core.
	passwordChecks = 2

	maxEmail, maxPassword = 254, 1024 // bytes; what is longer is nobody's
)

// wrongSignIn is said whatever was wrong.
const wrongSignIn = "The address or the password is wrong."

type signInForm struct{ Email, Next, Token, Error string }

func (s *Server) signInPage(c echo.Context) error {
	if _, err := s.who(c.Request().Context(), s.sessionToken(c), false); err == nil {
		return c.Redirect(http.StatusSeeOther, ownPath(c.QueryParam("next")))
	}
	return s.signInForm(c, http.StatusOK, signInForm{Next: c.QueryParam("next")})
}

// signInForm shows the form with a token that is also in a cookie: another site
// can make a browser send neither.
func (s *Server) signInForm(c echo.Context, status int, f signInForm) error {
	f.Token = newToken()
	c.SetCookie(s.cookie("signin", f.Token, time.Hour))
	return s.render(c, status, "signin", page{Title: "Sign in", Content: f})
}

func (s *Server) signIn(c echo.Context) error {
	ctx := c.Request().Context()
	f := signInForm{Email: strings.ToLower(strings.TrimSpace(c.FormValue("email"))), Next: c.FormValue("next")}
	planted := s.readCookie(c, "signin")
	if planted == "" || subtle.ConstantTimeCompare([]byte(planted), []byte(c.FormValue("csrf"))) != 1 {
		f.Error = "The page was too old. Please try again."
		return s.signInForm(c, http.StatusForbidden, f)
	}
	limits, err := s.limits(c, f.Email)
	if err != nil {
		return err
	}
	wait, err := s.mustWait(ctx, limits)
	if err != nil {
		return err
	}
	if wait > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(wait))
		f.Error = fmt.Sprintf("Too many tries. Please wait for %d minutes.", (wait+59)/60)
		return s.signInForm(c, http.StatusTooManyRequests, f)
	}
	me, err := s.checkPassword(ctx, f.Email, c.FormValue("password"))
	if errors.Is(err, event.ErrNoOperator) {
		who, target := "unknown", "panel"
		if me.ID != "" { // what was typed may be a password in the wrong field
			who, target = me.Email, me.ID
		}
		if err := s.Audit.Record(ctx, who, "panel: sign-in refused", "", target, "from "+c.RealIP()); err != nil {
			return err
		}
		f.Error = wrongSignIn
		return s.signInForm(c, http.StatusUnauthorized, f)
	}
	if err != nil {
		return err
	}
	if err := s.begin(c, me); errors.Is(err, event.ErrNoOperator) {
		f.Error = wrongSignIn // it was changed in this very moment
		return s.signInForm(c, http.StatusUnauthorized, f)
	} else if err != nil {
		return err
	}
	if err := s.forgive(ctx, f.Email, limits); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, ownPath(f.Next))
}

// begin begins a session, under a token that nobody has seen, and ends the one
// that the browser had.
func (s *Server) begin(c echo.Context, me event.Operator) error {
	ctx, token := c.Request().Context(), newToken()
	if err := s.Sessions.BeginSession(ctx, hashToken(token), me, c.RealIP(), longest, idle); err != nil {
		return err
	}
	if before := s.sessionToken(c); before != "" {
		if err := s.end(ctx, before); err != nil {
			return err
		}
	}
	c.SetCookie(s.cookie("signin", "", -time.Second))
	c.SetCookie(s.cookie("session", token, longest))
	s.remember(c, me)
	return nil
}

// end ends a session, and what it is being sent.
func (s *Server) end(ctx context.Context, token string) error {
	if err := s.Sessions.EndSession(ctx, hashToken(token)); err != nil {
		return err
	}
	s.streams.end(token)
	return nil
}

// checkPassword answers ErrNoOperator for a wrong password, with the operator if
// there is one. It takes as long for nobody as for somebody.
func (s *Server) checkPassword(ctx context.Context, email, password string) (event.Operator, error) {
	select {
	case s.checks <- struct{}{}:
		defer func() { <-s.checks }()
	case <-ctx.Done():
		return event.Operator{}, ctx.Err()
	}
	if !isEmail(email) || len(password) > maxPassword {
		email, password = "", ""
	}
	me, err := s.Accounts.FindOperator(ctx, email)
	if err != nil && !errors.Is(err, event.ErrNoOperator) {
		return event.Operator{}, err
	}
	ok, checkErr := s.CheckPassword(cmp.Or(me.PasswordHash, s.NobodysPassword), password)
	switch {
	case err != nil:
		return event.Operator{}, event.ErrNoOperator
	case checkErr != nil:
		return event.Operator{}, fmt.Errorf("checking the password of %s: %w", me.ID, checkErr)
	case !ok:
		return me, event.ErrNoOperator
	}
	return me, nil
}

// isEmail reports whether somebody could have this address, whatever its form.
func isEmail(email string) bool { return len(email) <= maxEmail && web.IsText(email) }

func (s *Server) signOut(c echo.Context) error {
	me := signedIn(c)
	if err := s.end(c.Request().Context(), s.sessionToken(c)); err != nil {
		return err
	}
	if err := s.Audit.Record(c.Request().Context(), me.Email, "panel: sign out", "", me.ID, ""); err != nil {
		return err
	}
	c.SetCookie(s.cookie("session", "", -time.Second))
	return c.Redirect(http.StatusSeeOther, root+"/signin")
}

// ownPath is a path of the panel, whatever somebody put into a link.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.User != nil || strings.ContainsAny(next, "\\\r\n") ||
		path.Clean(u.Path) != u.Path || u.Path != root && !strings.HasPrefix(u.Path, root+"/") {
		return root
	}
	return u.RequestURI()
}

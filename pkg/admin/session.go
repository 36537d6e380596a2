package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

const (
	// A session ends when nobody has used it for idle, and in any case after
	// longest: a day at the till.
	idle    = 30 * time.Minute
	longest = 12 * time.Hour

	whoKey = "operator"
)

// visitor is who is signed in, with the token that their forms carry.
type visitor struct {
	event.Operator
	CSRF string
}

// MayChange reports whether more than looking is allowed.
func (v *visitor) MayChange() bool { return v != nil && v.Role == event.Operates }

func signedIn(c echo.Context) *visitor {
	v, _ := c.Get(whoKey).(*visitor)
	return v
}

// cookie is a cookie of ours. With TLS its name says that it came over it, so
// that nobody on another host or port can plant one.
func (s *Server) cookie(name, value string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: !s.Insecure, SameSite: http.SameSiteStrictMode,
	}
}

func (s *Server) cookieName(name string) string {
	if s.Insecure {
		return "tillhook_" + name
	}
	return "__Host-tillhook_" + name
}

func (s *Server) readCookie(c echo.Context, name string) string {
	cookie, err := c.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (s *Server) sessionToken(c echo.Context) string { return s.readCookie(c, "session") }

// who reads whose session a token is.
func (s *Server) who(ctx context.Context, token string, used bool) (event.Operator, error) {
	if token == "" {
		return event.Operator{}, event.ErrNoOperator
	}
	return s.Sessions.Session(ctx, hashToken(token), idle, used)
}

// newToken is 256 random bits.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// csrfToken is a function of the session's token, from which nobody finds that
// again.
func csrfToken(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("form"))
	return hex.EncodeToString(mac.Sum(nil))
}

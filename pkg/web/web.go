// Package web is what the programs' servers have in common: whom a request
// comes from, and how a server leaves without losing one.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// SenderAddress is the peer's address, or, behind a trusted proxy, the last one
// in X-Forwarded-For that is not a proxy's. Anyone else's header is noise.
func SenderAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		if _, network, err := net.ParseCIDR(p.Masked().String()); err == nil { // a netip.Prefix always is one
			options = append(options, echo.TrustIPRange(network))
		}
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// Place is under what an address is counted when somebody is to be limited. An
// IPv6 customer has a whole /64, with a fresh address for each request.
func Place(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); !a.Is6() {
		return a.String()
	}
	network, _ := a.Prefix(64) // 64 fits
	return network.String()
}

// IsText reports whether s can be looked for: what isn't UTF-8, or holds a NUL,
// is an error to Postgres, and the name of nothing.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// SendAway ends connections with an answer once leaving says so: none is idle
// then, and about to be used again, when the server closes it. That request would
// be lost.
func SendAway(leaving func() bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if leaving() {
				c.Response().Header().Set("Connection", "close")
			}
			return next(c)
		}
	}
}

// Finish accepts no more requests and waits for those under way; what takes
// longer than within is cut off. ctx must not have ended.
func Finish(ctx context.Context, server *http.Server, within time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests cut off that took too long", "after", within)
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("finishing requests: %w", err)
	}
	return nil
}

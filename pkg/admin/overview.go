package admin

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

const (
	// liveCheck is how often a stream makes sure that its session is not over:
	// what ends it elsewhere, such as "ops admins disable", tells nobody here.
	liveCheck = 5 * time.Second
	// liveWrite is how long a browser may take for one message.
	liveWrite = 10 * time.Second
)

func (s *Server) overview(c echo.Context) error {
	return s.render(c, http.StatusOK, "overview", page{Title: "Overview", Content: s.pulse.look()})
}

// live sends the overview's changing part, ready to be shown, whenever it has
// changed.
func (s *Server) live(c echo.Context) error {
	ctx, token := c.Request().Context(), s.sessionToken(c)
	mine := s.streams.join(signedIn(c).ID, token)
	if mine == nil {
		c.Response().Header().Set("Retry-After", "60")
		return echo.NewHTTPError(http.StatusServiceUnavailable, "Too many live pages are open.")
	}
	defer s.streams.leave(mine)
	w := c.Response()
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	check := time.NewTicker(liveCheck)
	defer check.Stop()
	for {
		next := s.pulse.next()
		text, err := s.fragment()
		if err != nil {
			return err
		}
		if err := control.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return nil // the browser has gone
		}
		if err := control.Flush(); err != nil {
			return nil
		}
	wait:
		for {
			select {
			case <-next:
				break wait
			case <-ctx.Done():
				return nil
			case <-s.stopping.Done():
				return nil
			case <-mine.over:
				return nil
			case <-check.C:
				// Who can't be asked now may go on: there is nothing new to see.
				if _, err := s.who(ctx, token, false); errors.Is(err, event.ErrNoOperator) {
					return nil // at the next try the browser is told why
				}
			}
		}
	}
}

// fragment is the overview's changing part as one message of a stream.
func (s *Server) fragment() ([]byte, error) {
	var html bytes.Buffer
	if err := s.pages["overview"].ExecuteTemplate(&html, "pulse", s.pulse.look()); err != nil {
		return nil, fmt.Errorf("drawing the overview: %w", err)
	}
	var message bytes.Buffer
	for line := range strings.Lines(html.String()) {
		message.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	message.WriteString("\n")
	return message.Bytes(), nil
}

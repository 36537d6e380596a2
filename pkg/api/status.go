package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/web"
)

const (
	// maxWait bounds a long poll: proxies give up on silence after a minute or
	// half of one.
	maxWait = 30 * time.Second

	// writeTimeout is how long a client may take to fetch what it is sent.
	writeTimeout = 10 * time.Second
)

// orderStatus tells how an order stands: at once, or, to a client that waits,
// when it is not any more as the client knows it.
func (s *Server) orderStatus(c echo.Context) error {
	orderID, err := s.customer(c)
	if err != nil {
		return err
	}
	wait, err := waitFor(c)
	if err != nil {
		return err
	}
	known := c.Request().Header.Get("If-None-Match")
	if wait == 0 || known == "" {
		now, err := s.look(c.Request().Context(), orderID)
		if err != nil {
			return err
		}
		return answerState(c, now, known)
	}
	return s.longPoll(c, orderID, known, wait)
}

func waitFor(c echo.Context) (time.Duration, error) {
	text := c.QueryParam("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, invalid(fault{"wait", "want a time from 0s to " + maxWait.String()})
	}
	return wait, nil
}

// look reads the order now. It does so on a stack of its own, which ends with
// it: that of a client who waits would keep the size that a query needs, and
// thousands wait.
func (s *Server) look(ctx context.Context, orderID string) (now *state, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		views, failure := s.orders.Views(ctx, []string{orderID})
		switch {
		case failure != nil:
			err = unavailable(failure)
		case len(views) == 0:
			err = notFound()
		default:
			now = newState(views[0])
		}
	}()
	<-done
	return now, err
}

// longPoll holds the answer back until there is news, or the time is up.
func (s *Server) longPoll(c echo.Context, orderID, known string, wait time.Duration) error {
	if p := s.room.enter(web.Place(c.RealIP())); p != nil {
		return p
	}
	defer s.room.leave(web.Place(c.RealIP()))
	// Before the order is read: what changes in between is told.
	w := s.hub.watch(orderID)
	defer s.hub.leave(w)
	now, err := s.look(c.Request().Context(), orderID)
	if err != nil {
		return err
	}
	if !now.known(known) {
		return answerState(c, now, known)
	}
	s.hub.looked(w)
	if err := s.patient(c, wait); err != nil {
		return err
	}
	s.metrics.Waiting.WithLabelValues("poll").Inc()
	defer s.metrics.Waiting.WithLabelValues("poll").Dec()
	began := time.Now()
	defer func() { waited(c, time.Since(began)) }()
	up := time.NewTimer(wait)
	defer up.Stop()
	for {
		select {
		case now = <-w.latest:
			if now.known(known) {
				continue
			}
			return answerState(c, now, known)
		case <-up.C:
		case <-s.closing:
		case <-c.Request().Context().Done():
			note(c, "result", "client gone")
		}
		return answerState(c, now, known)
	}
}

// patient puts off the server's own time limits, which are for requests that
// are answered at once.
func (s *Server) patient(c echo.Context, wait time.Duration) error {
	control := http.NewResponseController(c.Response().Writer)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return control.SetWriteDeadline(time.Now().Add(wait + s.within))
}

// answerState answers with the state, or that it is the one that the client
// knows.
func answerState(c echo.Context, now *state, known string) error {
	header := c.Response().Header()
	header.Set("ETag", now.etag())
	header.Set("Cache-Control", "no-cache, private")
	if now.known(known) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSONBlob(http.StatusOK, now.body)
}

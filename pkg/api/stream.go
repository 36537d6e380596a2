package api

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/web"
)

const (
	// heartbeat keeps proxies from taking silence for an end, and finds out
	// that a client has gone.
	heartbeat = 15 * time.Second

	// How soon a client whose stream has ended comes back; after a shutdown
	// each at another time, so that they are no herd.
	retryUsual    = 2 * time.Second
	retryShutdown = 4 * time.Second
)

// streamOrder tells how an order stands, and then of each change as it happens,
// until there is nothing more to wait for.
func (s *Server) streamOrder(c echo.Context) error {
	orderID, err := s.customer(c)
	if err != nil {
		return err
	}
	if p := s.room.enter(web.Place(c.RealIP())); p != nil {
		return p
	}
	defer s.room.leave(web.Place(c.RealIP()))
	w := s.hub.watch(orderID)
	defer s.hub.leave(w)
	now, err := s.look(c.Request().Context(), orderID)
	if err != nil {
		return err
	}
	s.hub.looked(w)
	known := c.Request().Header.Get("Last-Event-ID")
	if now.final && known != "" && now.known(known) {
		return c.NoContent(http.StatusNoContent) // which ends an EventSource for good
	}
	if err := s.patient(c, 0); err != nil {
		return err
	}
	s.metrics.Waiting.WithLabelValues("stream").Inc()
	defer s.metrics.Waiting.WithLabelValues("stream").Dec()
	began := time.Now()
	defer func() { waited(c, time.Since(began)) }()
	out := stream{c, http.NewResponseController(c.Response().Writer), s.within} // Echo's own keeps errors to itself
	if err = out.begin(); err == nil {
		err = s.follow(c, out, w, now, known)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.metrics.Dropped.Inc()
		note(c, "result", "slow reader dropped")
	case err != nil:
		note(c, "result", "client gone")
	}
	return nil // the status is out already
}

// follow sends the state that the client doesn't know, and each one after it.
func (s *Server) follow(c echo.Context, out stream, w *watcher, now *state, known string) error {
	if known == "" || !now.known(known) {
		if err := out.tell(now); err != nil {
			return err
		}
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for told := now; !told.final; {
		select {
		case now := <-w.latest:
			if now.tag == told.tag {
				continue
			}
			if err := out.tell(now); err != nil {
				return err
			}
			told = now
		case <-beat.C:
			if err := out.send(":\n\n"); err != nil {
				return err
			}
		case <-s.closing:
			return out.send(fmt.Sprintf("retry: %d\n\n", (retryUsual/4 + rand.N(retryShutdown)).Milliseconds()))
		case <-c.Request().Context().Done():
			return c.Request().Context().Err()
		}
	}
	return nil
}

// stream is one client's events.
type stream struct {
	c       echo.Context
	control *http.ResponseController
	within  time.Duration
}

func (o stream) begin() error {
	header := o.c.Response().Header()
	header.Set(echo.HeaderContentType, "text/event-stream")
	header.Set("Cache-Control", "no-cache, private")
	header.Set("X-Accel-Buffering", "no") // nginx would keep it until it is much
	o.c.Response().WriteHeader(http.StatusOK)
	return o.send(fmt.Sprintf("retry: %d\n\n", retryUsual.Milliseconds()))
}

func (o stream) tell(s *state) error {
	return o.send("event: order\nid: " + s.tag + "\ndata: " + string(s.body) + "\n\n")
}

// send sends at once. Who doesn't fetch it in time is not waited for.
func (o stream) send(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(o.within)); err != nil {
		return err
	}
	if _, err := o.c.Response().Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}

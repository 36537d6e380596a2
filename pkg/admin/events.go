package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

// pageSize is how many rows a list has.
const pageSize = 50

// timeField is how a browser's datetime-local field has a time, here in UTC.
const timeField = "2006-01-02T15:04"

// queuedLater is said of a replay when Redis has not taken all of its tasks: the
// recoverer finds those that it has not.
const queuedLater = "Not all could be queued at once: they will be queued as soon as the queue answers."

type eventsView struct {
	Asked    eventsForm
	Page     EventPage
	Statuses []string
	NextURL  string
	Said     string
}

// eventsForm is the search as it was typed.
type eventsForm struct {
	ID, Type, Status, Restaurant, Order, Since, Until string
	Fault                                             string
}

func (s *Server) eventList(c echo.Context) error {
	form, search := readSearch(c.QueryParams())
	view := eventsView{Asked: form, Statuses: event.Statuses()}
	// What stands in a link is anybody's: no word of it is said.
	if n, err := strconv.Atoi(c.QueryParam("replayed")); err == nil && n > 0 && n <= pageSize {
		view.Said = "Replayed: " + plural(n, "event") + ". The workers have them now."
		if c.QueryParam("later") != "" {
			view.Said = "Replayed: " + plural(n, "event") + ". " + queuedLater
		}
	}
	if form.Fault == "" {
		var err error
		if view.Page, err = s.Events.SearchEvents(c.Request().Context(), search); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if view.Page.More {
		view.NextURL = nextURL(c, view.Page.Next)
	}
	status := http.StatusOK
	if form.Fault != "" {
		status = http.StatusBadRequest
	}
	return s.render(c, status, "events", page{Title: "Events", Content: view})
}

func readSearch(q url.Values) (f eventsForm, search Search) {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f = eventsForm{ID: get("id"), Type: get("type"), Status: get("status"), Restaurant: get("restaurant"),
		Order: get("order"), Since: get("since"), Until: get("until")}
	search = Search{Status: f.Status, Type: f.Type, Restaurant: f.Restaurant, Order: f.Order, Limit: pageSize, Before: readCursor(q)}
	if f.ID != "" {
		search.IDs = []string{f.ID}
	}
	if f.Status != "" && !slices.Contains(event.Statuses(), f.Status) {
		f.Fault = "There is no status " + f.Status + "."
	}
	for _, t := range []struct {
		text string
		into *time.Time
	}{{f.Since, &search.Since}, {f.Until, &search.Until}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(timeField, t.text)
		if err != nil {
			f.Fault = "A time is written like 2026-01-31T18:00, in UTC."
		}
		*t.into = at
	}
	return f, search
}

// readCursor reads where a page begins; nonsense is the first page.
func readCursor(q url.Values) Cursor {
	at, err := time.Parse(time.RFC3339Nano, q.Get("before"))
	if err != nil {
		return Cursor{}
	}
	return Cursor{At: at, ID: q.Get("beforeId")}
}

func nextURL(c echo.Context, next Cursor) string {
	q := c.QueryParams()
	q.Set("before", next.At.UTC().Format(time.RFC3339Nano))
	q.Set("beforeId", next.ID)
	q.Del("replayed")
	q.Del("later")
	return c.Request().URL.Path + "?" + q.Encode()
}

type eventView struct {
	EventDetail
	Text      string // the payload as it may be shown
	Uncovered bool
	Replays   bool // it may be replayed
	Refused   bool // it was not verified, and is never worked on
	Follows   bool // it was replayed just now, and is unfinished
	Said      string
}

func (s *Server) eventDetail(c echo.Context) error { return s.showEvent(c, false) }

// eventUncovered shows the payload as it is. That leaves a line in the audit,
// and it is a POST, so that no link and no history leads to it.
func (s *Server) eventUncovered(c echo.Context) error { return s.showEvent(c, true) }

func (s *Server) showEvent(c echo.Context, uncover bool) error {
	ctx := c.Request().Context()
	e, err := s.Events.Event(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	for i := range e.Changes {
		e.Changes[i].EventID = "" // no link to this page itself
	}
	status := event.Status(e.Status)
	view := eventView{EventDetail: e, Uncovered: uncover, Replays: status.Replayable(), Refused: status.Refused()}
	if c.QueryParam("replayed") != "" {
		view.Said, view.Follows = "Replayed. The workers have it now.", status == event.Processing
		if c.QueryParam("later") != "" {
			view.Said = "Replayed. " + queuedLater
		}
	}
	if uncover {
		if err := s.Audit.Record(ctx, signedIn(c).Email, "panel: show payload", e.RestaurantID, e.ID, e.Type); err != nil {
			return err
		}
	}
	view.Text = showPayload(e.Payload, uncover)
	return s.render(c, http.StatusOK, "event", page{Title: e.Type, Content: view})
}

// replay puts the selected events through the worker again.
func (s *Server) replay(c echo.Context) error {
	if err := c.Request().ParseForm(); err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, "This is no form of ours.")
	}
	ids := c.Request().PostForm["id"]
	if len(ids) == 0 || len(ids) > pageSize {
		return Refusal{errors.New("select the events that are to be replayed")}
	}
	done, err := s.Events.Replay(c.Request().Context(), signedIn(c).Email, ids)
	if err != nil {
		return err
	}
	if done.Events == 0 {
		return Refusal{errors.New("none of these can be replayed: only what is COMPLETED or FAILED can")}
	}
	back, said := root+"/events", url.Values{"replayed": {strconv.Itoa(done.Events)}}
	if c.FormValue("back") == "event" {
		back += "/" + url.PathEscape(ids[0])
	}
	if done.Queued < done.Events {
		said.Set("later", "1")
	}
	return c.Redirect(http.StatusSeeOther, back+"?"+said.Encode())
}

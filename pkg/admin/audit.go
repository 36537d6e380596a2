package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
)

type auditView struct {
	Restaurant, Fault, NextURL string
	Lines                      []event.AuditLine
}

func (s *Server) auditList(c echo.Context) error {
	ctx := c.Request().Context()
	view := auditView{Restaurant: strings.TrimSpace(c.QueryParam("restaurant"))}
	before, err := strconv.ParseInt(c.QueryParam("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	id := ""
	if view.Restaurant != "" {
		r, err := s.Settings.Restaurant(ctx, view.Restaurant)
		if errors.Is(err, ErrNotFound) {
			view.Fault = "There is no such restaurant."
			return s.render(c, http.StatusNotFound, "audit", page{Title: "Audit", Content: view})
		}
		if err != nil {
			return err
		}
		id = r.ID
	}
	if view.Lines, err = s.Audit.AuditPage(ctx, before, id, pageSize+1); err != nil {
		return err
	}
	if len(view.Lines) > pageSize {
		view.Lines = view.Lines[:pageSize]
		q := url.Values{"before": {strconv.FormatInt(view.Lines[pageSize-1].ID, 10)}}
		if view.Restaurant != "" {
			q.Set("restaurant", view.Restaurant)
		}
		view.NextURL = root + "/audit?" + q.Encode()
	}
	return s.render(c, http.StatusOK, "audit", page{Title: "Audit", Content: view})
}

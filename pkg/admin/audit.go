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
	view := auditView{Restaurant: strings.TrimSpace(c.QueryParam("restaurant"))}
	before, err := strconv.ParseInt(c.QueryParam("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	view.Lines, err = s.Audit.AuditPage(c.Request().Context(), before, view.Restaurant, pageSize+1)
	if errors.Is(err, ErrNotFound) {
		view.Fault, err = "There is no such restaurant.", nil
	}
	if err != nil {
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

package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/order"
)

const (
	// stuckAfter is how long a customer takes at the most, as a rule.
	stuckAfter = 30 * time.Minute

	// reconcileWithin is for Stripe to answer in. It leaves of writeTimeout what
	// it takes to say that there was no answer.
	reconcileWithin = 20 * time.Second
)

var errSilent = fmt.Errorf("nothing within %s", reconcileWithin)

var orderStatuses = []string{string(order.PaymentPending), string(order.PaymentFailed), string(order.Expired),
	string(order.Paid), string(order.Refunded)}

// Of the orders' status, what is no status: the list has a search of its own for
// each. All are choices of one field, as no two can be meant together.
const (
	statusStuck  = "stuck"
	statusReview = "review"
)

type ordersView struct {
	ID, Status, Restaurant, Fault string
	Statuses                      []string
	Page                          OrderPage
	NextURL                       string
}

// Stuck is whether only orders are shown that have waited for too long.
func (v ordersView) Stuck() bool { return v.Status == statusStuck }

// Review is whether only orders are shown on which a human must decide.
func (v ordersView) Review() bool { return v.Status == statusReview }

func (s *Server) orderList(c echo.Context) error {
	get := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	view := ordersView{ID: get("id"), Status: get("status"), Restaurant: get("restaurant"), Statuses: orderStatuses}
	if view.ID != "" {
		return c.Redirect(http.StatusSeeOther, root+"/orders/"+url.PathEscape(view.ID))
	}
	if q := ofToday(c.QueryParams()); q != nil {
		return c.Redirect(http.StatusSeeOther, root+"/orders?"+q.Encode())
	}
	search := OrderSearch{Restaurant: view.Restaurant, Before: readCursor(c.QueryParams()), Limit: pageSize, Undecided: view.Review()}
	switch {
	case view.Stuck():
		search.StuckFor = stuckAfter
	case !view.Review():
		search.Status = view.Status
	}
	found, err := s.Orders.ListOrders(c.Request().Context(), search)
	if errors.Is(err, ErrNotFound) {
		view.Fault, err = "There is no such restaurant.", nil
	}
	if err != nil {
		return err
	}
	view.Page = found
	if found.More {
		view.NextURL = nextURL(c, found.Next)
	}
	return s.render(c, http.StatusOK, "orders", page{Title: "Orders", Content: view})
}

// ofToday is what a bookmark of before asks for, in the words of today; nil for
// any other. The filters were boxes beside the status, and counted more than it.
func ofToday(q url.Values) url.Values {
	for _, box := range []string{statusReview, statusStuck} {
		if q.Get(box) != "" {
			q.Set("status", box)
			q.Del(statusReview)
			q.Del(statusStuck)
			return q
		}
	}
	return nil
}

type orderView struct {
	Story
	Reconciles bool
	Answer     *Reconciled
}

func (s *Server) orderDetail(c echo.Context) error { return s.showOrder(c, nil) }

func (s *Server) showOrder(c echo.Context, answer *Reconciled) error {
	story, err := s.Orders.Order(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	view := orderView{Story: story, Reconciles: story.Status == string(order.PaymentPending), Answer: answer}
	return s.render(c, http.StatusOK, "order", page{Title: "Order " + story.ID, Content: view})
}

// reconcile asks Stripe, and shows what it says beside the order.
func (s *Server) reconcile(c echo.Context) error {
	ctx, cancel := context.WithTimeoutCause(c.Request().Context(), reconcileWithin, errSilent)
	defer cancel()
	answer, err := s.Orders.Reconcile(ctx, signedIn(c).Email, c.Param("id"))
	if err != nil {
		return err
	}
	return s.showOrder(c, &answer)
}

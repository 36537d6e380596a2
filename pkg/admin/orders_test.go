package admin

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tillhook/pkg/event"
)

// silentStripe answers no question about an order.
type silentStripe struct{ Orders }

func (silentStripe) Reconcile(ctx context.Context, _, _ string) (Reconciled, error) {
	select {
	case <-ctx.Done():
		return Reconciled{}, Refusal{context.Cause(ctx)}
	case <-time.After(time.Hour):
		return Reconciled{}, nil
	}
}

// While Stripe hangs, an operator is told so before the connection is cut.
func TestAStripeThatHangsIsAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := guardedServer(t, true)
		s.Orders = silentStripe{}
		token, began := string(event.Operates), time.Now()
		rec := s.try(t, http.MethodPost, "/admin/orders/o/reconcile", token, csrfToken(token))
		if took := time.Since(began); took > writeTimeout-5*time.Second {
			t.Errorf("the page comes after %s, the connection ends after %s", took, writeTimeout)
		}
		if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), "nothing within 20s") {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}

// farOrders are orders of which a search has seen none so far that is meant.
type farOrders struct{ Orders }

func (farOrders) ListOrders(context.Context, OrderSearch) (OrderPage, error) {
	return OrderPage{More: true, Next: Cursor{time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC), "o1"}}, nil
}

// Who searches for a rare status is told that there is more to look at, and where.
func TestASearchOfOrdersGoesOn(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	s.Orders = farOrders{}
	page := s.try(t, http.MethodGet, "/admin/orders?status=REFUNDED", string(event.Viewer), "").Body.String()
	for _, want := range []string{"No order so far is like that.", `href="/admin/orders?before=2026-01-09T22%3A30%3A00Z&amp;beforeId=o1&amp;status=REFUNDED"`, "Search on, before 2026-01-09 22:30"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
}

// askedOrders remembers the last search.
type askedOrders struct {
	Orders
	last *OrderSearch
}

func (a askedOrders) ListOrders(_ context.Context, s OrderSearch) (OrderPage, error) {
	*a.last = s
	return OrderPage{}, nil
}

// The form of the orders can ask for nothing of which a part would not count,
// and shows what was asked for.
func TestWhatTheOrdersAreAskedForCounts(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	var last OrderSearch
	s.Orders = askedOrders{last: &last}
	field := regexp.MustCompile(`<(?:input|select)[^>]* name="(\w+)"`)
	option := regexp.MustCompile(`<option( value="(\w*)")?( selected)?>(\w+)`)
	ask := func(query string) (fields []string, options map[string]bool) {
		page := s.try(t, http.MethodGet, "/admin/orders"+query, string(event.Viewer), "").Body.String()
		_, form, _ := strings.Cut(page, `role="search"`)
		form, _, _ = strings.Cut(form, "</form>")
		for _, m := range field.FindAllStringSubmatch(form, -1) {
			fields = append(fields, m[1])
		}
		options = map[string]bool{}
		for _, m := range option.FindAllStringSubmatch(form, -1) {
			name := m[4]
			if m[1] != "" {
				name = m[2]
			}
			options[name] = m[3] != ""
		}
		return fields, options
	}
	fields, options := ask("")
	if want := []string{"id", "status", "restaurant"}; !slices.Equal(fields, want) {
		t.Errorf("the form has %v, want %v", fields, want)
	}
	searches := map[OrderSearch]string{}
	for name := range options {
		_, again := ask("?restaurant=r&status=" + name)
		if other, known := searches[last]; known {
			t.Errorf("%q and %q ask the same: %+v", name, other, last)
		}
		searches[last] = name
		for other, selected := range again {
			if name != "" && selected != (other == name) {
				t.Errorf("%q was asked for, and %q is selected: %t", name, other, selected)
			}
		}
	}
	for want, name := range map[OrderSearch]string{
		{Restaurant: "r", Limit: pageSize}:                       "",
		{Restaurant: "r", Limit: pageSize, Status: "PAID"}:       "PAID",
		{Restaurant: "r", Limit: pageSize, StuckFor: stuckAfter}: "stuck",
		{Restaurant: "r", Limit: pageSize, Undecided: true}:      "review",
	} {
		if got, known := searches[want]; !known || got != name {
			t.Errorf("nothing asks %+v: %v", want, searches)
		}
	}
}

// A bookmark from when the filters were boxes leads to the list that it has
// always shown, and not to all orders.
func TestABookmarkOfBeforeLeadsToItsList(t *testing.T) {
	t.Parallel()
	s := guardedServer(t, true)
	var last OrderSearch
	s.Orders = askedOrders{last: &last}
	for query, want := range map[string]string{
		"stuck=1":  "status=stuck",
		"review=1": "status=review",
		"id=&status=PAID&restaurant=slug-a&stuck=1":           "id=&restaurant=slug-a&status=stuck",
		"id=&status=&restaurant=&stuck=1&review=1":            "id=&restaurant=&status=review",
		"before=2026-01-09T22%3A30%3A00Z&beforeId=o1&stuck=1": "before=2026-01-09T22%3A30%3A00Z&beforeId=o1&status=stuck",
	} {
		rec := s.try(t, http.MethodGet, "/admin/orders?"+query, string(event.Viewer), "")
		if to := rec.Header().Get("Location"); rec.Code != http.StatusSeeOther || to != "/admin/orders?"+want {
			t.Errorf("%s: %d to %q, want to %s", query, rec.Code, to, want)
		}
	}
	if last != (OrderSearch{}) {
		t.Errorf("orders were looked for: %+v", last)
	}
	// A form of before whose boxes were not ticked, and today's.
	for _, query := range []string{"", "stuck=&review=", "status=stuck", "status=review"} {
		if rec := s.try(t, http.MethodGet, "/admin/orders?"+query, string(event.Viewer), ""); rec.Code != http.StatusOK {
			t.Errorf("%q: %d to %q", query, rec.Code, rec.Header().Get("Location"))
		}
	}
}

package admin

import (
	"context"
	"net/http"
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

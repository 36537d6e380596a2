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

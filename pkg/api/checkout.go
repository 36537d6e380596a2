package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/web"
)

// checkoutAnswer is where the customer pays.
type checkoutAnswer struct {
	SessionID string    `json:"sessionId"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// maxSessions is how many sessions of one order are looked at: each one before
// the last has ended without an event saying so yet.
const maxSessions = 5

// checkout leads to the order's one live Checkout Session, for the customer with
// the order's token or the shop with its key.
func (s *Server) checkout(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), checkoutTimeout)
	defer cancel()
	orderID, err := s.payer(ctx, c)
	if err != nil {
		return err
	}
	if wait := s.checkouts.take(orderID, s.now()); wait > 0 {
		return tooMany("Too many checkouts of this order.", wait)
	}
	session, err := s.payable(ctx, orderID, s.visitor(c))
	if err != nil {
		p := checkoutProblem(err)
		s.metrics.Checkouts.WithLabelValues(checkoutResult(p.Status)).Inc()
		return p
	}
	s.metrics.Checkouts.WithLabelValues("session").Inc()
	note(c, "session", session.ID)
	return c.JSON(http.StatusOK, checkoutAnswer{session.ID, session.URL, session.ExpiresAt})
}

// visitor is the address whose questions to Stripe are counted, "" for the shop:
// it asks for all of its customers.
func (s *Server) visitor(c echo.Context) string {
	if s.keyForm.Is(bearer(c)) {
		return ""
	}
	return web.Place(c.RealIP())
}

// payer is the order in the path, for who may pay it.
func (s *Server) payer(ctx context.Context, c echo.Context) (string, error) {
	if !s.keyForm.Is(bearer(c)) {
		return s.customer(c)
	}
	key, err := s.shopKey(ctx, c)
	if err != nil {
		return "", err
	}
	orderID := orderIn(c)
	if orderID == "" {
		return "", notFound()
	}
	views, err := s.orders.Views(ctx, []string{orderID})
	if err != nil {
		return "", unavailable(err)
	}
	if len(views) == 0 || views[0].RestaurantID != key.RestaurantID {
		return "", notFound()
	}
	note(c, "order", orderID)
	return orderID, nil
}

// payable finds the session that can be paid, or makes it. What is stored
// before Stripe is asked makes it the same one for everybody who asks at once,
// and for who asks again after a crash.
func (s *Server) payable(ctx context.Context, orderID, visitor string) (order.Session, error) {
	start := order.CheckoutStart{OrderID: orderID, Request: order.CheckoutRequest{
		ExpiresAt:  s.now().Add(sessionLife).UTC().Truncate(time.Second),
		SuccessURL: s.returnURL(orderID, "success"), CancelURL: s.returnURL(orderID, "cancelled"),
	}}
	for range maxSessions {
		start.PaymentID = newID("pay")
		c, err := s.starts.BeginCheckout(ctx, start)
		if err != nil {
			return order.Session{}, err
		}
		if visitor != "" { // only now it is known whose account is to be asked
			if wait := s.visitors.take(visitor+" of "+c.RestaurantID, s.now()); wait > 0 {
				return order.Session{}, tooMany("Too many checkouts from your address.", wait)
			}
		}
		session, err := s.session(ctx, c)
		switch {
		case errors.Is(err, order.ErrSuperseded):
			continue // the order may have another session by now
		case err != nil:
			return session, err
		case session.State == order.SessionComplete:
			return session, order.ErrUnderWay
		case session.State == order.SessionOpen && !c.Outdated && session.URL != "" && s.now().Before(session.ExpiresAt):
			return session, nil
		case session.State == order.SessionOpen:
			if err := s.end(ctx, c, session); err != nil {
				return session, err
			}
		}
		start.Dead = append(start.Dead, c.PaymentID)
	}
	return order.Session{}, errors.New("each session of the order has ended")
}

// end ends a session that is open, and that the customer is not to be led to: it
// asks for another amount than the order's, has no page of its own, or its time
// is up by our clock. Beside the next one it could be paid, too.
func (s *Server) end(ctx context.Context, c order.Checkout, session order.Session) error {
	_, err := s.stripe.ExpireSession(ctx, c.RestaurantID, session.ID)
	if errors.Is(err, event.ErrAnswered) { // it may have been paid a moment ago
		return errors.Join(order.ErrUnderWay, err)
	}
	return err
}

// session is Stripe's of a payment.
func (s *Server) session(ctx context.Context, c order.Checkout) (order.Session, error) {
	switch {
	case c.Outdated && c.SessionID == "":
		return order.Session{State: order.SessionExpired}, nil // nobody was ever sent to it, nor will be
	case c.SessionID != "":
		return s.stripe.Session(ctx, c.RestaurantID, c.SessionID)
	}
	session, err := s.stripe.CreateSession(ctx, c.Request, fmt.Sprintf("checkout:%s:%d", c.PaymentID, c.Attempt))
	if errors.Is(err, event.ErrAnswered) {
		return session, errors.Join(err, s.starts.DropRequest(ctx, c.PaymentID, c.Attempt))
	}
	if err != nil {
		return session, err
	}
	if err = s.starts.KeepSession(ctx, c.PaymentID, c.Attempt, session.ID); errors.Is(err, order.ErrSuperseded) {
		// Nobody is sent to it, so that it would also end by itself.
		if err := s.end(ctx, c, session); err != nil {
			s.log.Warn("a superseded session is not ended, it will run out", "order", c.Request.OrderID, "session", session.ID, "error", err)
		}
	}
	return session, err
}

// returnURL is the shop's page of the order, with how the customer comes back.
func (s *Server) returnURL(orderID, how string) string {
	u := s.frontend.JoinPath("orders", orderID)
	u.RawQuery = url.Values{"checkout": {how}}.Encode()
	return u.String()
}

// checkoutProblem tells what can be told: whose turn it is to do something.
func checkoutProblem(err error) *problem {
	conflict := func(kind, title, detail string) *problem {
		return newProblem(http.StatusConflict, kind, title, detail).because(err)
	}
	var told *problem
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, order.ErrNoOrder):
		return notFound()
	case errors.Is(err, order.ErrPaid):
		return conflict("order-paid", "The order is paid", "There is nothing to pay any more.")
	case errors.Is(err, order.ErrUnderWay):
		return conflict("payment-under-way", "A payment is under way", "The order waits for a payment that the customer has made.")
	case errors.Is(err, order.ErrReview):
		return conflict("payment-in-review", "A payment is looked into", "Money has come in that is not what the order asks for; the restaurant looks into it.")
	case errors.Is(err, order.ErrClosed):
		return conflict("order-closed", "The order takes no payment", "The restaurant has taken the order further or has cancelled it.")
	case errors.Is(err, event.ErrTooMany):
		return newProblem(http.StatusServiceUnavailable, "payment-provider-busy", "Stripe is busy", "Please try again.").because(err).after(soon)
	case errors.Is(err, event.ErrNoAPIKey), errors.Is(err, event.ErrAPIKey), errors.Is(err, event.ErrForbidden),
		errors.Is(err, event.ErrNotThere), errors.Is(err, event.ErrNoAnswer) && event.IsPermanent(err):
		return newProblem(http.StatusBadGateway, "payments-not-taken", "The restaurant can't take payments now",
			"Stripe has refused the request; the restaurant has to look into it.").because(err).after(later)
	case errors.Is(err, event.ErrNoAnswer):
		return newProblem(http.StatusServiceUnavailable, "payment-provider-unavailable", "Stripe does not answer", "Please try again.").because(err).after(soon)
	}
	return unavailable(err)
}

// checkoutResult is the metric's word.
func checkoutResult(status int) string {
	switch status {
	case http.StatusBadGateway:
		return "stripe"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "refused"
}

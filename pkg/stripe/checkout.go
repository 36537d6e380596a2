package stripe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
	checkout "github.com/stripe/stripe-go/v76/checkout/session"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// CreateSession makes a Checkout Session with the restaurant's own key. The same
// request with the same idempotency key makes the same session, for a day.
//
// What events must find their order by is on the session and on its intent:
// Stripe copies it from neither to the other.
func (a *API) CreateSession(ctx context.Context, r order.CheckoutRequest, idempotencyKey string) (order.Session, error) {
	metadata := map[string]string{"restaurantId": r.RestaurantID, "orderId": r.OrderID, "paymentId": r.PaymentID}
	params := &stripego.CheckoutSessionParams{
		Mode:              stripego.String(string(stripego.CheckoutSessionModePayment)),
		ClientReferenceID: &r.OrderID,
		ExpiresAt:         stripego.Int64(r.ExpiresAt.Unix()),
		SuccessURL:        &r.SuccessURL,
		CancelURL:         &r.CancelURL,
		Metadata:          metadata,
		PaymentIntentData: &stripego.CheckoutSessionPaymentIntentDataParams{Metadata: metadata},
	}
	// Whatever the account has set: a customer who pays in another currency makes
	// events of another amount than the order's. stripe-go 76 has no field for it,
	// being older ("Adds support for enabling Adaptive Pricing per Checkout Session").
	params.AddExtra(adaptivePricing+"[enabled]", "false")
	for _, l := range r.Lines {
		params.LineItems = append(params.LineItems, &stripego.CheckoutSessionLineItemParams{
			Quantity: &l.Quantity,
			PriceData: &stripego.CheckoutSessionLineItemPriceDataParams{
				Currency: &r.Currency, UnitAmount: &l.UnitAmount,
				ProductData: &stripego.CheckoutSessionLineItemPriceDataProductDataParams{Name: &l.Name},
			},
		})
	}
	s, err := a.checkout(ctx, r.RestaurantID, &params.Params, func(c checkout.Client) (*stripego.CheckoutSession, error) {
		params.IdempotencyKey = &idempotencyKey
		s, err := c.New(params)
		if ofAdaptivePricing(err) {
			params.Extra = nil // a request that isn't valid leaves its key unused
			return c.New(params)
		}
		return s, err
	})
	if err != nil {
		return s, fmt.Errorf("making a session for order %s: %w", r.OrderID, err)
	}
	return s, nil
}

const adaptivePricing = "adaptive_pricing"

// ofAdaptivePricing reports whether Stripe doesn't know of it, in the version in
// which it is asked: then it isn't there to be switched off.
func ofAdaptivePricing(err error) bool {
	var e *stripego.Error
	return errors.As(err, &e) && e.Code == stripego.ErrorCodeParameterUnknown && strings.HasPrefix(e.Param, adaptivePricing)
}

// Session reads how far a session has come.
func (a *API) Session(ctx context.Context, restaurantID, id string) (order.Session, error) {
	params := &stripego.CheckoutSessionParams{}
	s, err := a.checkout(ctx, restaurantID, &params.Params, func(c checkout.Client) (*stripego.CheckoutSession, error) {
		return c.Get(id, params)
	})
	if err != nil {
		return s, fmt.Errorf("reading session %s: %w", id, err)
	}
	return s, nil
}

// ExpireSession ends a session, so that nobody can pay it any more. One that
// has ended already, or that was paid a moment ago, is an error.
func (a *API) ExpireSession(ctx context.Context, restaurantID, id string) (order.Session, error) {
	params := &stripego.CheckoutSessionExpireParams{}
	s, err := a.checkout(ctx, restaurantID, &params.Params, func(c checkout.Client) (*stripego.CheckoutSession, error) {
		return c.Expire(id, params)
	})
	if err != nil {
		return s, fmt.Errorf("ending session %s: %w", id, err)
	}
	return s, nil
}

// checkout makes one call with the restaurant's key, in its turn.
func (a *API) checkout(ctx context.Context, restaurantID string, params *stripego.Params,
	call func(checkout.Client) (*stripego.CheckoutSession, error)) (order.Session, error) {
	key, acc, err := a.enter(ctx, restaurantID)
	if err != nil {
		return order.Session{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	params.Context = ctx
	if key.account != "" {
		params.StripeAccount = &key.account
	}
	s, err := call(checkout.Client{B: acc.backend, Key: key.secret})
	if err != nil {
		return order.Session{}, acc.fault(ctx, key, err)
	}
	answer := order.Session{ID: s.ID, URL: s.URL, State: order.SessionState(s.Status), ExpiresAt: time.Unix(s.ExpiresAt, 0).UTC()}
	if answer.ID == "" || answer.State == "" {
		return answer, event.Permanent(fmt.Errorf("%w: it is no session", event.ErrNoAnswer))
	}
	return answer, nil
}

// enter finds the key that a restaurant's account is asked with, and refuses
// what would be of no use.
func (a *API) enter(ctx context.Context, restaurantID string) (Key, *account, error) {
	key, err := a.keys.APIKey(ctx, restaurantID)
	if err != nil {
		return key, nil, err
	}
	acc := a.account(restaurantID)
	if acc.isRefused(key) {
		return key, acc, errRefused
	}
	return key, acc, acc.mayAsk(ctx)
}

// fault is the function of that name, and remembers a key that was refused.
func (acc *account) fault(ctx context.Context, key Key, err error) error {
	if err = fault(ctx, err); errors.Is(err, event.ErrAPIKey) {
		acc.refuse(key)
	}
	return err
}

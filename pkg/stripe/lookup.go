package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// state is as much of a session, an intent or a charge as says which event it
// would have led to.
type state struct {
	ID             string          `json:"id"`
	Object         string          `json:"object"`
	Status         string          `json:"status"`
	PaymentStatus  string          `json:"payment_status"`
	Created        int64           `json:"created"`
	Livemode       bool            `json:"livemode"`
	ExpiresAt      int64           `json:"expires_at"`
	PaymentIntent  reference       `json:"payment_intent"`
	LatestCharge   json.RawMessage `json:"latest_charge"`
	AmountRefunded int64           `json:"amount_refunded"`
	Currency       string          `json:"currency"`
	raw            json.RawMessage
}

// lookingUp is one payment on its way through Stripe's objects.
type lookingUp struct {
	api    *API
	want   event.Lookup
	answer event.Answer
}

// Payment looks a payment up, by its session, else by its intent, and answers
// the events that its state would have led to. Asked twice about the same
// state, it answers the same events.
func (a *API) Payment(ctx context.Context, want event.Lookup) (event.Answer, error) {
	l := &lookingUp{api: a, want: want}
	var err error
	switch {
	case strings.HasPrefix(want.Session, "cs_"):
		err = l.session(ctx)
	case strings.HasPrefix(want.Intent, "pi_"):
		err = l.intent(ctx, want.Intent)
	default:
		l.says("the payment has no id of Stripe's yet")
	}
	// What one object says counts, though the key may not read the next one.
	if len(l.answer.Heard) > 0 && event.IsPermanent(err) {
		l.says("%v", err)
		err = nil
	}
	return l.answer, err
}

func (l *lookingUp) session(ctx context.Context) error {
	s, err := l.ask(ctx, "/v1/checkout/sessions/"+url.PathEscape(l.want.Session), "checkout.session")
	if err != nil {
		return fmt.Errorf("looking up session %s: %w", l.want.Session, err)
	}
	switch s.Status + " " + s.PaymentStatus {
	case "complete paid", "complete no_payment_required":
		l.says("the session is complete, payment status %s", s.PaymentStatus)
		if err := l.told(s, "checkout.session.completed", "complete_"+s.PaymentStatus); err != nil || s.PaymentIntent == "" {
			return err
		}
		return l.refunded(ctx, string(s.PaymentIntent))
	case "complete unpaid":
		return l.unpaid(ctx, s)
	}
	switch s.Status {
	case "expired":
		l.says("the session has expired")
		return l.told(s, "checkout.session.expired", "expired")
	case "open":
		l.says("the session is open until %s: the customer has not paid", time.Unix(s.ExpiresAt, 0).UTC().Format(time.RFC3339))
		return nil
	}
	l.says("the session has the status %q, payment status %q", s.Status, s.PaymentStatus)
	return nil
}

// unpaid is a session of an asynchronous method. A complete session takes no
// other attempt, so that an intent which wants one has failed for good.
func (l *lookingUp) unpaid(ctx context.Context, s state) error {
	l.says("the session is complete, the money is under way")
	if err := l.told(s, "checkout.session.completed", "complete_unpaid"); err != nil || s.PaymentIntent == "" {
		return err
	}
	pi, err := l.askIntent(ctx, string(s.PaymentIntent))
	if err != nil {
		return err
	}
	switch pi.Status {
	case "requires_payment_method", "requires_source", "canceled":
		l.answer.Says = "the session is complete, and its asynchronous payment has failed"
		return l.told(s, "checkout.session.async_payment_failed", "async_failed")
	case "succeeded": // a moment after the session was asked for
		return l.settled(pi)
	}
	return nil
}

func (l *lookingUp) intent(ctx context.Context, id string) error {
	pi, err := l.askIntent(ctx, id)
	if err != nil {
		return err
	}
	l.says("the intent has the status %s", pi.Status)
	switch pi.Status {
	case "succeeded":
		return l.settled(pi)
	case "processing":
		return l.told(pi, "payment_intent.processing", "processing")
	case "canceled":
		return l.told(pi, "payment_intent.canceled", "canceled")
	}
	return nil // the customer may still pay
}

// settled is an intent whose money has come.
func (l *lookingUp) settled(pi state) error {
	if err := l.told(pi, "payment_intent.succeeded", "succeeded"); err != nil {
		return err
	}
	return l.charge(pi)
}

// refunded looks whether the money of a paid session has gone back.
func (l *lookingUp) refunded(ctx context.Context, intent string) error {
	pi, err := l.askIntent(ctx, intent)
	if err != nil {
		return err
	}
	return l.charge(pi)
}

// charge takes from an intent the charge that has paid it, if money has gone
// back. What is only authorized has no money to go back.
func (l *lookingUp) charge(pi state) error {
	ch, err := readState(pi.LatestCharge, "charge")
	if err != nil || ch.AmountRefunded <= 0 {
		return nil // it was not expanded: a payment without a charge
	}
	l.says("%s refunded", order.Money{Amount: ch.AmountRefunded, Currency: ch.Currency})
	return l.told(ch, "charge.refunded", fmt.Sprintf("refunded_%d", ch.AmountRefunded))
}

func (l *lookingUp) askIntent(ctx context.Context, id string) (state, error) {
	s, err := l.ask(ctx, "/v1/payment_intents/"+url.PathEscape(id)+"?expand[]=latest_charge", "payment_intent")
	if err != nil {
		return s, fmt.Errorf("looking up intent %s: %w", id, err)
	}
	return s, nil
}

func (l *lookingUp) ask(ctx context.Context, path, object string) (state, error) {
	raw, err := l.api.get(ctx, l.want.RestaurantID, path, "")
	if err != nil {
		return state{}, err
	}
	return readState(raw, object)
}

func readState(raw json.RawMessage, object string) (state, error) {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil || s.Object != object || s.ID == "" {
		return state{}, event.Permanent(fmt.Errorf("%w: it is no %s", event.ErrNoAnswer, object))
	}
	s.raw = raw
	return s, nil
}

// told adds the event that an object in this state would have led to.
func (l *lookingUp) told(s state, eventType, in string) error {
	heard, err := about{
		id: "reconcile_" + s.ID + "_" + in, eventType: eventType, created: s.Created, livemode: s.Livemode, object: s.raw,
	}.hear()
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.ID, err)
	}
	l.answer.Heard = append(l.answer.Heard, heard)
	return nil
}

func (l *lookingUp) says(format string, args ...any) {
	if l.answer.Says != "" {
		l.answer.Says += "; "
	}
	l.answer.Says += fmt.Sprintf(format, args...)
}

package stripe

import (
	stripego "github.com/stripe/stripe-go/v76"

	"tillhook/pkg/order"
)

type sdkSession stripego.CheckoutSession

// session is a Checkout Session. The fields here take the place of those of
// stripe-go, which can't tell a null from a zero, or an id from its spelling.
type session struct {
	sdkSession
	AmountTotal   *int64    `json:"amount_total"`
	Livemode      *bool     `json:"livemode"`
	PaymentIntent reference `json:"payment_intent"`
}

// sessionCompleted: the customer went through Checkout, which means money only
// if payment_status says so ("Fulfill orders with Checkout").
func sessionCompleted(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || contradicts(string(s.Status), "complete") {
		return ignored
	}
	c := s.contribution()
	switch s.PaymentStatus {
	case stripego.CheckoutSessionPaymentStatusPaid:
		c.Facts.Evidence = s.total()
	case stripego.CheckoutSessionPaymentStatusUnpaid:
		c.Facts.Processing = true
	case stripego.CheckoutSessionPaymentStatusNoPaymentRequired:
		// Nothing to pay for something that costs money is a payment put off.
		// The session and its intent are real all the same, and later events
		// are found by them; so it is not ignored, but it proves nothing.
		c.Facts.Free = s.AmountTotal != nil && *s.AmountTotal == 0
	}
	return c
}

// sessionAsyncSucceeded: the money that was under way has come.
func sessionAsyncSucceeded(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || s.PaymentStatus != stripego.CheckoutSessionPaymentStatusPaid {
		return ignored
	}
	c := s.contribution()
	c.Facts.Evidence = s.total()
	return c
}

// sessionAsyncFailed: it will not come, and a completed session takes no other
// attempt.
func sessionAsyncFailed(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || contradicts(string(s.PaymentStatus), "unpaid") {
		return ignored
	}
	c := s.contribution()
	c.Facts.AsyncFailed = true
	return c
}

// sessionExpired: this session can't be paid any more; another one may be. Its
// intent is null since 2022-08-01, because it was never made.
func sessionExpired(s *session) order.Contribution {
	if !s.forPayment(true) || contradicts(string(s.Status), "expired") {
		return ignored
	}
	c := s.contribution()
	c.Facts.Expired = true
	return c
}

// total is the money of a paid session. Without an amount only the links are
// taken: how much it was, the charge says, which finds its payment by them.
func (s *session) total() []order.Money {
	if s.AmountTotal == nil || *s.AmountTotal < 0 {
		return nil
	}
	return money(*s.AmountTotal, string(s.Currency))
}

// forPayment tells sessions that take a payment from those that set up a card
// or start a subscription. Sessions of 2019 have no mode; there one for a
// payment is known by what it holds.
func (s *session) forPayment(otherwise bool) bool {
	if s.Mode != "" {
		return s.Mode == stripego.CheckoutSessionModePayment && s.kind()
	}
	return otherwise && s.Subscription == nil && s.SetupIntent == nil && s.kind()
}

// kind reports whether the object is a session at all.
func (s *session) kind() bool { return !contradicts(s.Object, "checkout.session") }

func (s *session) contribution() order.Contribution {
	var c order.Contribution
	c.Facts.Session = usable(s.ID)
	c.Facts.Intent = usable(string(s.PaymentIntent))
	return withOwner(c, s.Metadata, s.ClientReferenceID, s.Livemode)
}

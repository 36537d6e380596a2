package stripe

import "tillhook/pkg/order"

// session is a Checkout Session, as much of it as is read. stripe-go's own type
// can't tell a null from a zero, or an id from its spelling.
type session struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	Mode              string            `json:"mode"`
	Status            string            `json:"status"`
	PaymentStatus     string            `json:"payment_status"`
	AmountTotal       *int64            `json:"amount_total"`
	Currency          string            `json:"currency"`
	Livemode          *bool             `json:"livemode"`
	ClientReferenceID string            `json:"client_reference_id"`
	Metadata          map[string]string `json:"metadata"`
	PaymentIntent     reference         `json:"payment_intent"`
	SetupIntent       reference         `json:"setup_intent"`
	Subscription      reference         `json:"subscription"`
}

// sessionCompleted: the customer went through Checkout, which means money only
// if payment_status says so ("Fulfill orders with Checkout").
func sessionCompleted(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || contradicts(s.Status, "complete") {
		return ignored
	}
	c := s.contribution()
	switch s.PaymentStatus {
	case "paid":
		c.Facts.Evidence = s.total()
	case "unpaid":
		c.Facts.Processing = true
	case "no_payment_required":
		// Nothing to pay for something that costs money is a payment put off.
		// The session and its intent are real all the same, and later events
		// are found by them; so it is not ignored, but it proves nothing.
		c.Facts.Free = s.AmountTotal != nil && *s.AmountTotal == 0
	}
	return c
}

// sessionAsyncSucceeded: the money that was under way has come.
func sessionAsyncSucceeded(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || s.PaymentStatus != "paid" {
		return ignored
	}
	c := s.contribution()
	c.Facts.Evidence = s.total()
	return c
}

// sessionAsyncFailed: it will not come, and a completed session takes no other
// attempt.
func sessionAsyncFailed(s *session) order.Contribution {
	if !s.forPayment(s.PaymentIntent != "") || contradicts(s.PaymentStatus, "unpaid") {
		return ignored
	}
	c := s.contribution()
	c.Facts.AsyncFailed = true
	return c
}

// sessionExpired: this session can't be paid any more; another one may be. Its
// intent is null since 2022-08-01, because it was never made.
func sessionExpired(s *session) order.Contribution {
	if !s.forPayment(true) || contradicts(s.Status, "expired") {
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
	return money(*s.AmountTotal, s.Currency)
}

// forPayment tells sessions that take a payment from those that set up a card
// or start a subscription. Sessions of 2019 have no mode; there one for a
// payment is known by what it holds.
func (s *session) forPayment(otherwise bool) bool {
	if s.Mode != "" {
		return s.Mode == "payment" && s.kind()
	}
	return otherwise && s.Subscription == "" && s.SetupIntent == "" && s.kind()
}

// kind reports whether the object is a session at all.
func (s *session) kind() bool { return !contradicts(s.Object, "checkout.session") }

func (s *session) contribution() order.Contribution {
	var c order.Contribution
	c.Facts.Session = usable(s.ID)
	c.Facts.Intent = usable(string(s.PaymentIntent))
	return withOwner(c, s.Metadata, s.ClientReferenceID, s.Livemode)
}

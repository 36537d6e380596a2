package stripe

import (
	stripego "github.com/stripe/stripe-go/v76"

	"tillhook/pkg/order"
)

type sdkCharge stripego.Charge

// charge is a Charge. The fields here take the place of those of stripe-go,
// which can't tell an absent one from a zero, or an id from its spelling.
type charge struct {
	sdkCharge
	AmountCaptured *int64    `json:"amount_captured"`
	Livemode       *bool     `json:"livemode"`
	PaymentIntent  reference `json:"payment_intent"`
}

// chargeSucceeded: captured money is evidence; an authorization is a promise
// ("Place a hold on a payment method") that may lapse, and only processing.
func chargeSucceeded(ch *charge) order.Contribution {
	if ch.Status != stripego.ChargeStatusSucceeded || !ch.Paid || !ch.kind() {
		return ignored
	}
	c := ch.contribution()
	if !ch.Captured {
		c.Facts.Processing = true
		return c
	}
	// amount_captured came in 2020. Before, a charge that was captured was
	// captured in full, or its remainder refunded. A zero that is there is no
	// missing field: it says that no money was captured.
	captured := ch.Amount
	if ch.AmountCaptured != nil {
		captured = *ch.AmountCaptured
	}
	if captured > 0 {
		c.Facts.Evidence = money(captured, string(ch.Currency))
	}
	return c
}

// chargeFailed: one attempt was declined. The session stays open, another card
// may follow on the same intent.
func chargeFailed(ch *charge) order.Contribution {
	if ch.Status != stripego.ChargeStatusFailed || !ch.kind() {
		return ignored
	}
	c := ch.contribution()
	c.Facts.FailedAttempts = set(usable(ch.ID))
	return c
}

// kind reports whether the object is a charge at all.
func (ch *charge) kind() bool { return !contradicts(ch.Object, "charge") }

func (ch *charge) contribution() order.Contribution {
	var c order.Contribution
	c.Facts.Charges = set(usable(ch.ID))
	c.Facts.Intent = usable(string(ch.PaymentIntent))
	return withOwner(c, ch.Metadata, "", ch.Livemode)
}

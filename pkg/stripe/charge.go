package stripe

import "tillhook/pkg/order"

// charge is a Charge, as much of it as is read. stripe-go's own type can't tell
// an absent field from a zero, or an id from its spelling, and fails on what
// old versions put where there is now an id or nothing.
type charge struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	Status         string            `json:"status"`
	Paid           bool              `json:"paid"`
	Captured       bool              `json:"captured"`
	Amount         int64             `json:"amount"`
	AmountCaptured *int64            `json:"amount_captured"`
	AmountRefunded int64             `json:"amount_refunded"`
	Currency       string            `json:"currency"`
	Livemode       *bool             `json:"livemode"`
	Metadata       map[string]string `json:"metadata"`
	PaymentIntent  reference         `json:"payment_intent"`
	Refunds        list[refund]      `json:"refunds"` // until 2022-11-15
}

// chargePending: an asynchronous method is under way.
func chargePending(ch *charge) order.Contribution {
	if ch.Status != "pending" || !ch.kind() {
		return ignored
	}
	c := ch.contribution()
	c.Facts.Processing = true
	return c
}

// chargeSucceeded: captured money is evidence; an authorization is a promise
// ("Place a hold on a payment method") that may lapse, and only processing.
func chargeSucceeded(ch *charge) order.Contribution {
	if ch.Status != "succeeded" || !ch.Paid || !ch.kind() {
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
		c.Facts.Evidence = money(captured, ch.Currency)
	}
	return c
}

// chargeRefunded: the charge tells how much of it has gone back by now, and so
// also that the money had come. For an authorization that was let go it is sent
// too, and there no money has moved.
func chargeRefunded(ch *charge) order.Contribution {
	c := chargeSucceeded(ch)
	if c.Ignored || !ch.Captured {
		return c
	}
	if id := usable(ch.ID); id != "" && ch.AmountRefunded > 0 {
		c.Facts.Gross = map[string]int64{id: ch.AmountRefunded}
	}
	c.Facts.Refunds = refunds(ch.Refunds.Data)
	c.Facts.Implied = len(c.Facts.Refunds) > 0
	return c
}

// chargeFailed: one attempt was declined. The session stays open, another card
// may follow on the same intent.
func chargeFailed(ch *charge) order.Contribution {
	if ch.Status != "failed" || !ch.kind() {
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

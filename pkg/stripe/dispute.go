package stripe

import "tillhook/pkg/order"

// dispute is a Dispute, as much of it as is read: stripe-go's own type fails on
// the evidence of old API versions, which was a text. Old ones also have no
// payment_intent, and are found by their charge.
type dispute struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Status        string            `json:"status"`
	Charge        reference         `json:"charge"`
	PaymentIntent reference         `json:"payment_intent"`
	Livemode      *bool             `json:"livemode"`
	Metadata      map[string]string `json:"metadata"`
}

// disputeChanged: how the dispute stands is in it; one that can't be challenged
// is lost when it is created. Moved funds say nothing more. That there is one,
// in whatever state, proves the payment.
func disputeChanged(d *dispute) order.Contribution {
	if contradicts(d.Object, "dispute") || d.Status == "" {
		return ignored
	}
	var c order.Contribution
	c.Facts.Intent = usable(string(d.PaymentIntent))
	c.Facts.Charges = set(usable(string(d.Charge)))
	c.Facts.Implied = true
	if id := usable(d.ID); id != "" {
		c.Facts.Disputes = map[string]string{id: d.Status}
	}
	return withOwner(c, d.Metadata, "", d.Livemode)
}

// disputeClosed: only these states are an end. "prevented" came with basil.
func disputeClosed(d *dispute) order.Contribution {
	switch d.Status {
	case "won", "lost", "warning_closed", "charge_refunded", "prevented":
		return disputeChanged(d)
	}
	return ignored
}

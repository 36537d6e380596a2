package stripe

import "tillhook/pkg/order"

// refund is a Refund, as much of it as is read. It has no livemode; its
// metadata is its own, and not the charge's.
type refund struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Status        string            `json:"status"`
	Amount        int64             `json:"amount"`
	Charge        reference         `json:"charge"`
	PaymentIntent reference         `json:"payment_intent"`
	Metadata      map[string]string `json:"metadata"`
}

// refundChanged: what has become of the refund is in it. That there is one, in
// whatever state, proves the payment.
func refundChanged(r *refund) order.Contribution {
	if contradicts(r.Object, "refund") {
		return ignored
	}
	var c order.Contribution
	c.Facts.Intent = usable(string(r.PaymentIntent))
	c.Facts.Charges = set(usable(string(r.Charge)))
	c.Facts.Implied = true
	c.Facts.Refunds = refunds([]refund{*r})
	return withOwner(c, r.Metadata, "", nil)
}

// refundFailed: the customer's bank has sent the money back to us.
func refundFailed(r *refund) order.Contribution {
	if r.Status != "failed" {
		return ignored
	}
	return refundChanged(r)
}

// refunds are those that can be told apart. One that could not would count
// each time it is told of.
func refunds(all []refund) map[string]order.Refund {
	var known map[string]order.Refund
	for _, r := range all {
		if id := usable(r.ID); id != "" && r.Status != "" && r.Amount >= 0 {
			if known == nil {
				known = make(map[string]order.Refund, len(all))
			}
			known[id] = order.Refund{Status: r.Status, Amount: r.Amount}
		}
	}
	return known
}

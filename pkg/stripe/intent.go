package stripe

import "tillhook/pkg/order"

// intent is a PaymentIntent: as much of it as is read, since its layout has
// changed with the years. Its charges were a list until 2022-11-15, from then
// on there is the latest one.
type intent struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	Status         string            `json:"status"`
	AmountReceived *int64            `json:"amount_received"`
	Currency       string            `json:"currency"`
	Livemode       *bool             `json:"livemode"`
	Metadata       map[string]string `json:"metadata"`
	LatestCharge   reference         `json:"latest_charge"`
	Charges        list[struct {
		ID string `json:"id"`
	}] `json:"charges"`
	LastPaymentError *struct {
		Charge reference `json:"charge"`
	} `json:"last_payment_error"`
}

// list is one of Stripe's lists, embedded in an object. It may be cut short:
// whatever is only in a list is a hint, never a sum.
type list[T any] struct {
	Data []T `json:"data"`
}

// intentProcessing: an asynchronous method is under way.
func intentProcessing(pi *intent) order.Contribution {
	if pi.Status != "processing" || !pi.kind() {
		return ignored
	}
	c := pi.contribution()
	c.Facts.Processing = true
	return c
}

// intentSucceeded: amount_received is captured money, and less than amount if
// only a part was captured.
func intentSucceeded(pi *intent) order.Contribution {
	if pi.Status != "succeeded" || !pi.kind() {
		return ignored
	}
	c := pi.contribution()
	if pi.AmountReceived != nil && *pi.AmountReceived > 0 {
		c.Facts.Evidence = money(*pi.AmountReceived, pi.Currency)
	}
	return c
}

// intentFailed: one attempt was declined, and the intent waits for another
// method (requires_source until 2019-02-11). Without a charge, as after a
// failed authentication, there was no attempt that could be told from others.
func intentFailed(pi *intent) order.Contribution {
	if pi.Status != "requires_payment_method" && pi.Status != "requires_source" || !pi.kind() {
		return ignored
	}
	c := pi.contribution()
	// Nothing has succeeded, so that the latest charge is a declined one even
	// if the error is about something else.
	failed := set(usable(string(pi.LatestCharge)))
	if e := pi.LastPaymentError; e != nil {
		failed = append(failed, set(usable(string(e.Charge)))...)
	}
	failed = sorted(failed)
	c.Facts.FailedAttempts = failed
	c.Facts.Charges = sorted(append(c.Facts.Charges, failed...))
	return c
}

// intentCanceled: this intent can't be paid any more.
func intentCanceled(pi *intent) order.Contribution {
	if pi.Status != "canceled" || !pi.kind() {
		return ignored
	}
	c := pi.contribution()
	c.Facts.Canceled = true
	return c
}

// kind reports whether the object is an intent at all.
func (pi *intent) kind() bool { return !contradicts(pi.Object, "payment_intent") }

func (pi *intent) contribution() order.Contribution {
	var c order.Contribution
	c.Facts.Intent = usable(pi.ID)
	charges := set(usable(string(pi.LatestCharge)))
	for _, ch := range pi.Charges.Data {
		charges = append(charges, set(usable(ch.ID))...)
	}
	c.Facts.Charges = sorted(charges)
	return withOwner(c, pi.Metadata, "", pi.Livemode)
}

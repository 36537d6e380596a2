package stripetest

// ChargeSucceeded is charge.succeeded of p.Charge, captured.
func (f *Factory) ChargeSucceeded(p Payment) Event {
	return f.charge("charge.succeeded", p, p.Charge, succeeded, 0)
}

// ChargeAuthorized is charge.succeeded of p.Charge, not captured yet.
func (f *Factory) ChargeAuthorized(p Payment) Event {
	return f.charge("charge.succeeded", p, p.Charge, authorized, 0)
}

// ChargePending is charge.pending of p.Charge: an asynchronous method.
func (f *Factory) ChargePending(p Payment) Event {
	return f.charge("charge.pending", p, p.Charge, pending, 0)
}

// ChargeCaptured is charge.captured of p.Charge, in full.
func (f *Factory) ChargeCaptured(p Payment) Event {
	return f.charge("charge.captured", p, p.Charge, succeeded, 0)
}

// ChargeUpdated is charge.updated of p.Charge, captured: Stripe sends it when
// the fees are known.
func (f *Factory) ChargeUpdated(p Payment) Event {
	return f.charge("charge.updated", p, p.Charge, succeeded, 0)
}

// ChargeRefunded is charge.refunded of p.Charge, of which amount (minor units)
// has gone back by now: a running total over all refunds.
func (f *Factory) ChargeRefunded(p Payment, amount int64) Event {
	return f.charge("charge.refunded", p, p.Charge, succeeded, amount)
}

// ChargeReleased is charge.refunded of p.Charge, an authorization that was let
// go: no money has moved.
func (f *Factory) ChargeReleased(p Payment) Event {
	return f.charge("charge.refunded", p, p.Charge, authorized, p.Amount)
}

// ChargeFailed is charge.failed: a declined card, each time with a charge id
// of its own.
func (f *Factory) ChargeFailed(p Payment) Event {
	return f.charge("charge.failed", p, f.id("ch_3", 23), declined, 0)
}

// Declined is all that Stripe says of one declined card: charge.failed and
// payment_intent.payment_failed of one charge, which is none of the others.
func (f *Factory) Declined(p Payment) []Event {
	id := f.id("ch_3", 23)
	return []Event{f.charge("charge.failed", p, id, declined, 0), f.intent("payment_intent.payment_failed", p, id, "requires_payment_method")}
}

// DeclinedLate is the same of p.Charge, which an asynchronous method had
// promised.
func (f *Factory) DeclinedLate(p Payment) []Event {
	return []Event{
		f.charge("charge.failed", p, p.Charge, declined, 0),
		f.intent("payment_intent.payment_failed", p, p.Charge, "requires_payment_method"),
	}
}

// IntentProcessing is payment_intent.processing: an asynchronous method.
func (f *Factory) IntentProcessing(p Payment) Event {
	return f.intent("payment_intent.processing", p, p.Charge, "processing")
}

// IntentSucceeded is payment_intent.succeeded by p.Charge.
func (f *Factory) IntentSucceeded(p Payment) Event {
	return f.intent("payment_intent.succeeded", p, p.Charge, "succeeded")
}

// IntentCanceled is payment_intent.canceled, with no charge to its name.
func (f *Factory) IntentCanceled(p Payment) Event {
	return f.intent("payment_intent.canceled", p, "", "canceled")
}

// Refund is one refund, at one moment.
type Refund struct {
	ID     string
	Amount int64  // minor units
	Status string // pending, requires_action, succeeded, canceled or failed
}

// Refund draws a refund of amount that has succeeded. Change its status and
// tell of it again for what became of it.
func (f *Factory) Refund(amount int64) Refund {
	return Refund{ID: f.id("re_3", 23), Amount: amount, Status: "succeeded"}
}

// RefundEvent is eventType (refund.created, refund.updated, refund.failed or
// charge.refund.updated) of r, which is of p.Charge. Neither p's metadata nor
// its mode is in a refund.
func (f *Factory) RefundEvent(eventType string, p Payment, r Refund) Event {
	return f.event(refundTemplate, eventType, p, values{
		refund: r, charge: p.Charge, balanceTransaction: f.id("txn_3", 23), request: f.id("req_", 14), idempotencyKey: f.id("", 36),
	})
}

// Dispute is one dispute or inquiry, at one moment.
type Dispute struct {
	ID     string
	Status string
}

// Dispute draws a dispute in the given state.
func (f *Factory) Dispute(status string) Dispute {
	return Dispute{ID: f.id("dp_1", 23), Status: status}
}

// DisputeEvent is charge.dispute.<what> (created, updated, closed,
// funds_withdrawn or funds_reinstated) of d, which is of p.Charge. p's metadata
// is not in it.
func (f *Factory) DisputeEvent(what string, p Payment, d Dispute) Event {
	return f.event(disputeTemplate, "charge.dispute."+what, p, values{dispute: d, charge: p.Charge})
}

func (f *Factory) charge(eventType string, p Payment, id string, o outcome, refunded int64) Event {
	v := values{
		charge: id, outcome: o, request: f.id("req_", 14), idempotencyKey: f.id("", 36),
		paymentMethod: f.id("pm_1", 23), amountRefunded: refunded,
	}
	if o.paid {
		v.balanceTransaction = f.id("txn_3", 23)
		v.receiptURL = "https://pay.stripe.com/receipts/payment/" + f.id("", 64)
	}
	return f.event(chargeTemplate, eventType, p, v)
}

func (f *Factory) intent(eventType string, p Payment, charge, status string) Event {
	v := values{intentStatus: status, charge: charge, request: f.id("req_", 14), idempotencyKey: f.id("", 36)}
	if charge != "" {
		v.paymentMethod = f.id("pm_1", 23)
	}
	return f.event(intentTemplate, eventType, p, v)
}

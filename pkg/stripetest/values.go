package stripetest

import (
	"maps"
	"slices"
	"time"
)

// values are what a layout's names stand for.
type values struct {
	eventID, eventType string
	created            int64 // seconds
	objectID           string
	objectName         string
	request            string
	idempotencyKey     string
	payment            Payment

	sessionStatus, paymentStatus, sessionIntent string

	outcome            outcome
	charge             string
	balanceTransaction string
	paymentMethod      string
	receiptURL         string
	amountRefunded     int64

	intentStatus string
	refund       Refund
	dispute      Dispute
}

// outcome is how an attempt to charge a card ended.
type outcome struct {
	status, failureCode, failureMessage string
	network, reason, seller, kind       string
	paid, captured                      bool
}

var (
	succeeded = outcome{
		status: "succeeded", network: "approved_by_network",
		seller: "Payment complete.", kind: "authorized", paid: true, captured: true,
	}
	authorized = outcome{
		status: "succeeded", network: "approved_by_network",
		seller: "Payment complete.", kind: "authorized", paid: true,
	}
	pending = outcome{
		status: "pending", network: "approved_by_network",
		seller: "Payment complete.", kind: "authorized", captured: true,
	}
	declined = outcome{
		status: "failed", failureCode: "card_declined", failureMessage: "Your card was declined.",
		network: "declined_by_network", reason: "generic_decline",
		seller: "The bank did not return any further details with this decline.", kind: "issuer_declined",
	}
)

// append appends the JSON value that name stands for.
func (v *values) append(b []byte, name string) []byte {
	p := &v.payment
	switch name {
	case "event":
		return quote(b, v.eventID)
	case "type":
		return quote(b, v.eventType)
	case "created":
		return number(b, v.created)
	case "objectCreated": // the customer took a minute to pay
		return number(b, v.created-60)
	case "expires": // a day after that
		return number(b, v.created-60+24*60*60)
	case "livemode":
		return boolean(b, p.Livemode)
	case "account":
		if p.Account == "" {
			return b
		}
		return append(quote(append(b, "\n  \"account\": "...), p.Account), ',')
	case "request":
		return text(b, v.request)
	case "idempotencyKey":
		return text(b, v.idempotencyKey)
	case "amount":
		return number(b, p.Amount)
	case "currency":
		return quote(b, p.Currency)
	case "metadata":
		switch {
		case p.Asked == nil:
			return p.metadata(b)
		case v.sessionStatus != "":
			return anyMetadata(b, p.Asked.Metadata)
		}
		return anyMetadata(b, p.Asked.IntentMetadata)
	case "objectID":
		return quote(b, v.objectID)
	case "objectName":
		return quote(b, v.objectName)
	case "charge":
		return text(b, v.charge)
	case "intent":
		return text(b, p.Intent)
	case "paymentMethod":
		return text(b, v.paymentMethod)
	case "balanceTransaction":
		return text(b, v.balanceTransaction)
	}
	switch {
	case v.outcome.status != "":
		return v.appendCharge(b, name)
	case v.intentStatus != "":
		return v.appendIntent(b, name)
	case v.refund.ID != "" || v.dispute.ID != "":
		return v.appendReversal(b, name)
	}
	return v.appendSession(b, name)
}

func (v *values) appendSession(b []byte, name string) []byte {
	asked := v.payment.asked(v.created)
	switch name {
	case "session":
		return quote(b, v.payment.Session)
	case "sessionIntent":
		return text(b, v.sessionIntent)
	case "reference":
		return text(b, asked.Reference)
	case "paymentStatus":
		return quote(b, v.paymentStatus)
	case "sessionStatus":
		return quote(b, v.sessionStatus)
	case "sessionCreated":
		return number(b, asked.Created.Unix())
	case "sessionExpires":
		return number(b, asked.Expires.Unix())
	case "successURL":
		return quote(b, asked.SuccessURL)
	case "cancelURL":
		return text(b, asked.CancelURL)
	case "sessionURL":
		if v.sessionStatus != "open" {
			return text(b, "")
		}
		return text(b, asked.URL)
	}
	panic("a layout asks for an unknown value: " + name)
}

// asked is what a session was created with, or would have been with by a
// storefront that does as it should. eventCreated is in seconds.
func (p *Payment) asked(eventCreated int64) Asked {
	if p.Asked != nil {
		return *p.Asked
	}
	a := Asked{
		Created:   time.Unix(eventCreated-60, 0),          // the customer took a minute to pay
		Expires:   time.Unix(eventCreated-60+24*60*60, 0), // Stripe's default
		CancelURL: "https://order.example.com/checkout/cancelled", SuccessURL: "https://order.example.com/checkout/thanks?session={CHECKOUT_SESSION_ID}",
	}
	if !p.NoMetadata {
		a.Reference = p.OrderID
	}
	return a
}

func (v *values) appendCharge(b []byte, name string) []byte {
	switch o := v.outcome; name {
	case "amountRefunded":
		return number(b, v.amountRefunded)
	case "refunded":
		return boolean(b, v.amountRefunded > 0 && v.amountRefunded == v.payment.Amount)
	case "amountCaptured":
		if o.captured {
			return number(b, v.payment.Amount)
		}
		return number(b, 0)
	case "receiptURL":
		return text(b, v.receiptURL)
	case "captured":
		return boolean(b, o.captured)
	case "paid":
		return boolean(b, o.paid)
	case "chargeStatus":
		return quote(b, o.status)
	case "failureCode":
		return text(b, o.failureCode)
	case "failureMessage":
		return text(b, o.failureMessage)
	case "networkStatus":
		return text(b, o.network)
	case "outcomeReason":
		return text(b, o.reason)
	case "sellerMessage":
		return text(b, o.seller)
	case "outcomeType":
		return text(b, o.kind)
	}
	panic("a layout asks for an unknown value: " + name)
}

func (v *values) appendIntent(b []byte, name string) []byte {
	canceled := v.intentStatus == "canceled"
	switch name {
	case "intentStatus":
		return quote(b, v.intentStatus)
	case "clientSecret":
		return quote(b, v.payment.Intent+"_secret_0")
	case "amountReceived":
		if v.intentStatus == "succeeded" {
			return number(b, v.payment.Amount)
		}
		return number(b, 0)
	case "canceledAt":
		if canceled {
			return number(b, v.created)
		}
		return text(b, "")
	case "cancellationReason":
		if canceled {
			return quote(b, "abandoned")
		}
		return text(b, "")
	case "lastPaymentError":
		if v.intentStatus != "requires_payment_method" {
			return text(b, "")
		}
		b = append(b, `{"charge": `...)
		b = quote(b, v.charge)
		return append(b, `, "code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined.", "type": "card_error"}`...)
	}
	panic("a layout asks for an unknown value: " + name)
}

func (v *values) appendReversal(b []byte, name string) []byte {
	switch name {
	case "refund":
		return quote(b, v.refund.ID)
	case "refundAmount":
		return number(b, v.refund.Amount)
	case "refundStatus":
		return quote(b, v.refund.Status)
	case "dispute":
		return quote(b, v.dispute.ID)
	case "disputeStatus":
		return quote(b, v.dispute.Status)
	}
	panic("a layout asks for an unknown value: " + name)
}

// metadata appends what the storefront sets on the session and, through
// payment_intent_data, on the intent and so on its charges.
func (p *Payment) metadata(b []byte) []byte {
	if p.NoMetadata {
		return append(b, "{}"...)
	}
	b = append(b, '{')
	for _, pair := range [...][2]string{
		{"orderId", p.OrderID}, {"paymentId", p.PaymentID}, {"restaurantId", p.RestaurantID},
	} {
		if pair[1] != "" {
			b = appendPair(b, pair[0], pair[1])
		}
	}
	return append(b, "\n      }"...)
}

// anyMetadata appends whatever was set.
func anyMetadata(b []byte, set map[string]string) []byte {
	b = append(b, '{')
	for _, name := range slices.Sorted(maps.Keys(set)) {
		b = appendPair(b, name, set[name])
	}
	return append(b, "\n      }"...)
}

func appendPair(b []byte, name, value string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, "\n        "...)
	b = quote(b, name)
	b = append(b, ": "...)
	return quote(b, value)
}

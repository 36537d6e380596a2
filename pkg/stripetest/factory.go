package stripetest

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Event is one of Stripe's events with the exact bytes of its body. Sign or
// Post makes a delivery of it.
type Event struct {
	ID      string
	Type    string
	Created time.Time // UTC, whole seconds
	Body    []byte
}

// Payment is what a lifecycle's events are about. Factory.Payment draws one;
// afterwards fields can be changed at will, for example Amount for a customer
// who paid something else than was asked for.
type Payment struct {
	RestaurantID, OrderID, PaymentID string // ours
	Amount                           int64  // minor units; 0 makes a session with nothing to pay
	Currency                         string // lower-case ISO 4217
	Session, Intent, Charge          string // Stripe's; Charge is the one that succeeds
	Account                          string // Connect account, "" for none
	Livemode                         bool   // set by Live, together with the session's prefix
	NoMetadata                       bool   // nothing but Stripe's ids leads to the order
	Asked                            *Asked // nil for a storefront that does as it should
}

// Asked is what a Checkout Session was created with, as far as its events
// repeat it.
type Asked struct {
	Reference             string // client_reference_id
	SuccessURL, CancelURL string
	URL                   string // of the hosted page, while the session is open
	Created, Expires      time.Time
	Metadata              map[string]string // the session's own
	IntentMetadata        map[string]string // of payment_intent_data: the intent's, and so its charges'
}

// Live is p in live mode, with a session id that says so.
func (p Payment) Live() Payment {
	p.Livemode = true
	p.Session = strings.Replace(p.Session, "cs_test_", "cs_live_", 1)
	return p
}

// Factory makes payments and events. The same seed, time and calls make the
// same bytes. It is not safe for concurrent use.
type Factory struct {
	rand *rand.Rand
	now  time.Time
}

// stream separates this use of a seed from others'.
const stream = 0x7469_6c6c_686f_6f6b

// NewFactory makes a factory whose events happened within the three seconds
// before now.
func NewFactory(seed uint64, now time.Time) *Factory {
	return &Factory{rand: rand.New(rand.NewPCG(seed, stream)), now: now.UTC()}
}

// Payment draws Stripe's ids for one of our payments, in test mode. amount is
// in minor units.
func (f *Factory) Payment(restaurantID, orderID, paymentID string, amount int64, currency string) Payment {
	return Payment{
		RestaurantID: restaurantID, OrderID: orderID, PaymentID: paymentID,
		Amount: amount, Currency: currency,
		Session: f.id("cs_test_a1", 56), Intent: f.id("pi_3", 23), Charge: f.id("ch_3", 23),
	}
}

// Again draws Stripe's ids for a second payment of p's order: a new session of
// a customer who has left the first one.
func (f *Factory) Again(p Payment) Payment {
	again := f.Payment(p.RestaurantID, p.OrderID, p.PaymentID+"-again", p.Amount, p.Currency)
	again.Account, again.NoMetadata = p.Account, p.NoMetadata
	if p.Livemode {
		return again.Live()
	}
	return again
}

// CheckoutCompleted is checkout.session.completed of a paid session, or, for
// an amount of 0, of one with nothing to pay and no intent.
func (f *Factory) CheckoutCompleted(p Payment) Event {
	v := values{sessionStatus: "complete", paymentStatus: "paid", sessionIntent: p.Intent}
	if p.Amount == 0 {
		v.paymentStatus, v.sessionIntent = "no_payment_required", ""
	}
	return f.session("checkout.session.completed", p, v)
}

// CheckoutUnpaid is checkout.session.completed with an asynchronous method:
// the money is on its way.
func (f *Factory) CheckoutUnpaid(p Payment) Event {
	v := values{sessionStatus: "complete", paymentStatus: "unpaid", sessionIntent: p.Intent}
	return f.session("checkout.session.completed", p, v)
}

// AsyncSucceeded is checkout.session.async_payment_succeeded: the money of an
// unpaid session has come.
func (f *Factory) AsyncSucceeded(p Payment) Event {
	v := values{sessionStatus: "complete", paymentStatus: "paid", sessionIntent: p.Intent}
	return f.session("checkout.session.async_payment_succeeded", p, v)
}

// AsyncFailed is checkout.session.async_payment_failed: it will not come.
func (f *Factory) AsyncFailed(p Payment) Event {
	v := values{sessionStatus: "complete", paymentStatus: "unpaid", sessionIntent: p.Intent}
	return f.session("checkout.session.async_payment_failed", p, v)
}

// CheckoutExpired is checkout.session.expired. Its intent is null: since
// 2022-08-01 it is only made when the customer confirms.
func (f *Factory) CheckoutExpired(p Payment) Event {
	return f.session("checkout.session.expired", p, values{sessionStatus: "expired", paymentStatus: "unpaid"})
}

// CheckoutOpen holds a session that the customer has not paid. Stripe sends no
// event of it: it is for Put.
func (f *Factory) CheckoutOpen(p Payment) Event {
	return f.session("checkout.session.created", p, values{sessionStatus: "open", paymentStatus: "unpaid"})
}

// Other is an event of a type that means nothing to an order, such as
// customer.created or payment_intent.created, on a small object of the kind
// that the type names, or on p's own of that kind.
func (f *Factory) Other(p Payment, eventType string) Event {
	object := eventType
	if dot := strings.LastIndexByte(eventType, '.'); dot > 0 {
		object = eventType[:dot]
	}
	v := values{objectName: object, request: f.id("req_", 14), idempotencyKey: f.id("", 36)}
	switch object {
	case "checkout.session":
		v.objectID = p.Session
	case "payment_intent":
		v.objectID = p.Intent
	case "charge":
		v.objectID = p.Charge
	default:
		v.objectID = f.id(object[:min(3, len(object))]+"_", 24)
	}
	return f.event(otherTemplate, eventType, p, v)
}

func (f *Factory) session(eventType string, p Payment, v values) Event {
	return f.event(sessionTemplate, eventType, p, v)
}

func (f *Factory) event(t template, eventType string, p Payment, v values) Event {
	created := f.now.Add(-time.Duration(f.rand.IntN(3)) * time.Second).Truncate(time.Second)
	v.eventID, v.eventType, v.created, v.payment = f.id("evt_1", 23), eventType, created.Unix(), p
	return Event{ID: v.eventID, Type: eventType, Created: created, Body: t.fill(&v)}
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// id draws n characters after prefix, ten from each random number: 62^10 is
// less than 2^60.
func (f *Factory) id(prefix string, n int) string {
	var buf [96]byte
	b := append(buf[:0], prefix...)
	var r uint64
	for i := range n {
		if i%10 == 0 {
			r = f.rand.Uint64()
		}
		b = append(b, base62[r%62])
		r /= 62
	}
	return string(b)
}

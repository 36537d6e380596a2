package order

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// CheckoutRequest is all that Stripe is told to make a Checkout Session. The
// same request is repeated word for word until there is an answer, so that it
// is stored, and a field's name is part of the stored data.
type CheckoutRequest struct {
	RestaurantID string    `json:"restaurantId"`
	OrderID      string    `json:"orderId"`
	PaymentID    string    `json:"paymentId"`
	Currency     string    `json:"currency"`
	Lines        []Line    `json:"lines"`
	ExpiresAt    time.Time `json:"expiresAt"`
	SuccessURL   string    `json:"successUrl"`
	CancelURL    string    `json:"cancelUrl"`
}

// SessionState is how far a Checkout Session has come.
type SessionState string

// The states, in Stripe's words.
const (
	SessionOpen     SessionState = "open"
	SessionComplete SessionState = "complete" // the customer is through: paid, or the money is under way
	SessionExpired  SessionState = "expired"
)

// Session is a Checkout Session as Stripe has it. URL is "" unless it is open.
type Session struct {
	ID, URL   string
	State     SessionState
	ExpiresAt time.Time
}

// CheckoutStart is a customer who wants to pay.
type CheckoutStart struct {
	OrderID   string
	PaymentID string   // for the case that there has to be a new payment
	Dead      []string // payments that have ended, though no event has said so yet
	// Request says where the session ends and leads to; the rest is filled in.
	Request CheckoutRequest
}

// Checkout says how an order may be paid: by a session that there is, or by one
// that Stripe has yet to be asked for.
type Checkout struct {
	RestaurantID string
	PaymentID    string
	SessionID    string // "" if there is none yet
	// Outdated says that the order's total is another by now than the one that
	// the payment asks for: its session must end before there is another. One
	// that is still being made is superseded.
	Outdated bool
	Request  CheckoutRequest // without a session
	Attempt  int             // of the request, from 1
}

// Why an order can't be paid.
var (
	ErrPaid     = errors.New("the order is paid")
	ErrUnderWay = errors.New("a payment of the order is under way")
	ErrReview   = errors.New("money has come in that is not what the order asks for")
	ErrClosed   = errors.New("the order takes no payment")

	// ErrSuperseded says that the session is of an attempt that is over:
	// another has got one meanwhile, or the order's total is another by now.
	ErrSuperseded = errors.New("the attempt that led to the session is over")
)

// Payable finds the payment through which the customer can pay now: nil when
// there has to be a new one. Those named in dead are known to have ended,
// though no event has said so yet. It is an error when paying might charge the
// customer twice.
//
// Facts only grow: of a payment that was under way and had an attempt declined they
// can't say whether another is under way now. Such a payment goes before all others,
// and its session tells: Stripe has it complete as soon as an attempt is under way,
// and open when the customer is to try again.
func (o *Order) Payable(dead []string) (*Payment, error) {
	switch {
	case o.Status == Paid || o.Status == Refunded:
		return nil, ErrPaid
	case !o.Status.drivenByPayments():
		return nil, ErrClosed
	}
	var payable, doubtful *Payment
	for _, p := range o.Payments {
		switch {
		case p.Status.Settled():
			return nil, ErrPaid
		case p.Status == PaymentReview:
			return nil, ErrReview
		case p.Facts.ended() || slices.Contains(dead, p.ID):
			continue
		case p.Facts.Processing || p.Status == PaymentProcessing:
			if len(p.Facts.FailedAttempts) == 0 || p.CheckoutSession() == "" || doubtful != nil {
				return nil, ErrUnderWay
			}
			doubtful = p
			continue
		case p.CheckoutSession() == "" && p.ProviderPaymentID != "":
			// Paid by other means than Checkout, of which we know nothing.
			return nil, ErrUnderWay
		}
		// A session that somebody may have been sent to goes before none.
		if payable == nil || payable.CheckoutSession() == "" && p.CheckoutSession() != "" {
			payable = p
		}
	}
	return cmp.Or(doubtful, payable), nil
}

// CheckoutSession is the id of the payment's session, "" if none is known.
func (p *Payment) CheckoutSession() string {
	if p.Facts.Session == "" && strings.HasPrefix(p.ProviderPaymentID, "cs_") {
		return p.ProviderPaymentID
	}
	return cmp.Or(p.Facts.Session, p.Session)
}

// rename gives the payment its other id at Stripe. A session that no event has
// named yet is not forgotten for it: a declined card may be all that the events
// tell, and the customer goes on where they were. It is none of the facts: what an
// event says must be news when it comes.
func (p *Payment) rename(id string) {
	p.Session, p.ProviderPaymentID = p.CheckoutSession(), id
	if p.Session == p.Facts.Session || p.Session == id {
		p.Session = ""
	}
}

// Abandon ends an order that nobody was led to a payment of in time, with all its
// payments that have not ended: no event would. A session that Stripe has made
// all the same, though its answer was lost, can still bring the money.
func Abandon(o *Order) Changes {
	const reason = "nobody began to pay"
	if len(o.Payments) == 0 {
		t := Transition{OrderID: o.ID, OrderFrom: o.Status, OrderTo: Expired, Reason: reason}
		o.Status = Expired
		return Changes{Orders: []*Order{o}, Transitions: []Transition{t}}
	}
	facts := map[string]Facts{}
	for _, p := range o.Payments {
		if !p.Facts.ended() {
			facts[p.ID] = Facts{Abandoned: true}
		}
	}
	return Recompute(o, facts, reason)
}

// Reopen makes the order wait again, now that it has a payment that could bring
// the money. It answers the transition, nil if nothing changes.
func (o *Order) Reopen(p *Payment) *Transition {
	was := o.Status
	if o.Status = nextStatus(o); o.Status == was {
		return nil
	}
	return &Transition{OrderID: o.ID, PaymentID: p.ID, OrderFrom: was, OrderTo: o.Status,
		PaymentFrom: p.Status, PaymentTo: p.Status, Reason: "checkout begun again"}
}

package stripetest

import (
	"slices"

	"tillhook/pkg/order"
)

// part is what the first of two refunds gives back, in hundredths.
const part = 40

// Lifecycles are the stories of a payment whose order asks for p.Amount in
// p.Currency, more than 0.
func Lifecycles() []Lifecycle {
	return slices.Concat(paidLifecycles(), unpaidLifecycles(), refundLifecycles(), disputeLifecycles(), secondLifecycles())
}

// told makes a story of what is always told.
func told(what ...func(*Factory, Payment) Event) func(*Factory, Payment) []Event {
	return func(f *Factory, p Payment) []Event {
		events := make([]Event, len(what))
		for i, tell := range what {
			events[i] = tell(f, p)
		}
		return events
	}
}

var (
	paid = told((*Factory).ChargeSucceeded, (*Factory).CheckoutCompleted)
	// everything that a current API version says of a card that was paid with
	paidInFull = told(created, (*Factory).ChargeSucceeded, (*Factory).IntentSucceeded, (*Factory).CheckoutCompleted, (*Factory).ChargeUpdated)
	underWay   = told((*Factory).CheckoutUnpaid, (*Factory).IntentProcessing, (*Factory).ChargePending)
)

func created(f *Factory, p Payment) Event { return f.Other(p, "payment_intent.created") }

// and makes one story of several.
func and(stories ...func(*Factory, Payment) []Event) func(*Factory, Payment) []Event {
	return func(f *Factory, p Payment) (events []Event) {
		for _, tell := range stories {
			events = append(events, tell(f, p)...)
		}
		return events
	}
}

func paidLifecycles() []Lifecycle {
	end := func(name string, events func(*Factory, Payment) []Event) Lifecycle {
		return Lifecycle{Name: name, Events: events, Order: order.Paid, Payment: order.PaymentCompleted}
	}
	return []Lifecycle{
		end("paid", paid),
		end("paid, everything told", paidInFull),
		end("charge only", told((*Factory).ChargeSucceeded)),
		end("session only", told((*Factory).CheckoutCompleted)),
		end("intent only", told((*Factory).IntentSucceeded)),
		end("unpaid, then charged", told((*Factory).CheckoutUnpaid, (*Factory).ChargeSucceeded)),
		end("paid by an asynchronous method", and(underWay, told((*Factory).AsyncSucceeded, (*Factory).ChargeSucceeded, (*Factory).IntentSucceeded))),
		end("authorized, then captured", told((*Factory).ChargeAuthorized, (*Factory).CheckoutUnpaid, (*Factory).ChargeCaptured, (*Factory).IntentSucceeded)),
		end("declined, then paid", func(f *Factory, p Payment) []Event {
			return append([]Event{f.ChargeFailed(p)}, paid(f, p)...)
		}),
		end("declined, then paid, everything told", and((*Factory).Declined, paidInFull)),
		end("expired and paid", and(paid, told((*Factory).CheckoutExpired))), // a contradiction; the money wins
		end("canceled and paid", and(told((*Factory).IntentCanceled), paid)), // another one
		end("failed, but paid after all", and(underWay, told((*Factory).AsyncFailed, (*Factory).ChargeSucceeded))),
		end("paid, delivered twice", func(f *Factory, p Payment) []Event {
			events := paid(f, p)
			return append(events, events...)
		}),
		// Stripe warns of it: other event ids, the same objects.
		end("paid, two events for each change", and(paid, paid)),
		end("paid, with noise", func(f *Factory, p Payment) []Event {
			noise := []Event{f.Other(p, "customer.created"), f.Other(p, "product.updated")}
			return append(noise, paid(f, p)...)
		}),
	}
}

func unpaidLifecycles() []Lifecycle {
	return []Lifecycle{
		{Name: "unpaid", Events: told((*Factory).CheckoutUnpaid), Order: order.PaymentPending, Payment: order.PaymentProcessing},
		{Name: "authorized", Events: told((*Factory).ChargeAuthorized, (*Factory).CheckoutUnpaid), Order: order.PaymentPending, Payment: order.PaymentProcessing},
		{Name: "authorized, then let go", Events: told((*Factory).ChargeAuthorized, (*Factory).CheckoutUnpaid, (*Factory).ChargeReleased, (*Factory).IntentCanceled),
			Order: order.Expired, Payment: order.PaymentCanceled},
		{Name: "canceled", Events: told(created, (*Factory).IntentCanceled), Order: order.Expired, Payment: order.PaymentCanceled},
		{Name: "expired", Events: told((*Factory).CheckoutExpired), Order: order.Expired, Payment: order.PaymentExpired},
		{Name: "declined", Events: told((*Factory).ChargeFailed, (*Factory).ChargeFailed), Order: order.PaymentPending, Payment: order.PaymentIsFailed},
		{Name: "declined, everything told", Events: and(told(created), (*Factory).Declined, (*Factory).Declined), Order: order.PaymentPending, Payment: order.PaymentIsFailed},
		{Name: "declined, then expired", Events: and((*Factory).Declined, told((*Factory).CheckoutExpired)), Order: order.Expired, Payment: order.PaymentExpired},
		{Name: "failed by an asynchronous method", Events: and(underWay, told((*Factory).AsyncFailed), (*Factory).DeclinedLate),
			Order: order.PaymentFailed, Payment: order.PaymentIsFailed},
		{Name: "noise only", Events: func(f *Factory, p Payment) []Event {
			return []Event{f.Other(p, "customer.created"), f.Other(p, "payment_link.created")}
		}, Order: order.PaymentPending, Payment: order.PaymentIsPending},
	}
}

func refundLifecycles() []Lifecycle {
	// refund tells of one refund of hundredths, once for each state, by types
	// that name them.
	refund := func(hundredths int64, steps ...[2]string) func(*Factory, Payment) []Event {
		return func(f *Factory, p Payment) (events []Event) {
			r := f.Refund(Back(p, hundredths))
			for _, step := range steps {
				r.Status = step[1]
				events = append(events, f.RefundEvent(step[0], p, r))
			}
			return events
		}
	}
	total := func(hundredths int64) func(*Factory, Payment) []Event {
		return func(f *Factory, p Payment) []Event { return []Event{f.ChargeRefunded(p, Back(p, hundredths))} }
	}
	pending, succeeded := [2]string{"refund.created", "pending"}, [2]string{"charge.refund.updated", "succeeded"}
	failed := [2]string{"refund.failed", "failed"}
	back := func(name string, hundredths int64, stories ...func(*Factory, Payment) []Event) Lifecycle {
		l := Lifecycle{Name: name, Events: and(stories...), Order: order.Paid, Payment: order.PaymentPartiallyRefunded, Refunded: hundredths}
		switch hundredths {
		case 0:
			l.Payment = order.PaymentCompleted
		case 100:
			l.Order, l.Payment = order.Refunded, order.PaymentRefunded
		}
		return l
	}
	return []Lifecycle{
		back("refunded", 100, paid, total(100)),
		back("refunded, everything told", 100, paidInFull, total(100), refund(100, succeeded)),
		back("refunded in part", part, paid, total(part), refund(part, pending, succeeded)),
		back("refunded in two parts", 100, paid, total(part), total(100)),
		back("refunded in two parts, each told by itself", 100, paid, refund(part, pending, succeeded), func(f *Factory, p Payment) []Event {
			r := f.Refund(p.Amount - Back(p, part))
			return []Event{f.RefundEvent("refund.created", p, r)}
		}, total(100)),
		back("refunded before the session is told of", 100, total(100), told((*Factory).CheckoutCompleted)),
		back("refund under way", 100, told((*Factory).CheckoutCompleted), refund(100, pending)),
		back("refund failed", 0, paid, total(100), refund(100, pending, succeeded, failed)),
		back("refund failed, then done again", 100, paid, total(100), refund(100, succeeded, failed), refund(100, pending)),
		back("refund canceled", 0, paid, refund(100, [2]string{"refund.created", "requires_action"}, [2]string{"refund.updated", "canceled"})),
	}
}

func disputeLifecycles() []Lifecycle {
	dispute := func(steps ...[2]string) func(*Factory, Payment) []Event {
		return func(f *Factory, p Payment) (events []Event) {
			d := f.Dispute("")
			for _, step := range steps {
				d.Status = step[1]
				events = append(events, f.DisputeEvent(step[0], p, d))
			}
			return events
		}
	}
	opened, withdrawn := [2]string{"created", "needs_response"}, [2]string{"funds_withdrawn", "needs_response"}
	review, won, lost := [2]string{"updated", "under_review"}, [2]string{"closed", "won"}, [2]string{"closed", "lost"}
	inquiry := [2]string{"created", "warning_needs_response"}
	end := func(name string, payment order.PaymentStatus, stories ...func(*Factory, Payment) []Event) Lifecycle {
		return Lifecycle{Name: name, Events: and(stories...), Order: order.Paid, Payment: payment}
	}
	return []Lifecycle{
		end("disputed", order.PaymentDisputed, paid, dispute(opened, withdrawn, review)),
		end("dispute won", order.PaymentCompleted, paid, dispute(opened, review, won, [2]string{"funds_reinstated", "won"})),
		end("dispute lost", order.PaymentDisputeLost, paid, dispute(opened, withdrawn, review, lost)),
		end("dispute lost at once", order.PaymentDisputeLost, paid, dispute([2]string{"created", "lost"})),
		end("dispute lost, then won", order.PaymentCompleted, paid, dispute(opened, lost, [2]string{"updated", "won"})),
		end("disputed before the charge is told of", order.PaymentDisputed, told((*Factory).CheckoutUnpaid), dispute(opened)),
		end("inquiry closed", order.PaymentCompleted, paid, dispute(inquiry, [2]string{"updated", "warning_under_review"}, [2]string{"closed", "warning_closed"})),
		end("inquiry that became a dispute", order.PaymentDisputed, paid, dispute(inquiry, [2]string{"updated", "needs_response"})),
		end("dispute prevented", order.PaymentCompleted, paid, dispute(inquiry, [2]string{"closed", "prevented"})),
	}
}

func secondLifecycles() []Lifecycle {
	refunded := and(paid, func(f *Factory, p Payment) []Event { return []Event{f.ChargeRefunded(p, p.Amount)} })
	return []Lifecycle{
		{Name: "expired, then paid with a second session", Events: told((*Factory).CheckoutExpired), Order: order.Paid, Payment: order.PaymentExpired,
			Second: &Second{Events: paid, Payment: order.PaymentCompleted}},
		{Name: "both sessions expired", Events: told((*Factory).CheckoutExpired), Order: order.Expired, Payment: order.PaymentExpired,
			Second: &Second{Events: and((*Factory).Declined, told((*Factory).CheckoutExpired)), Payment: order.PaymentExpired}},
		{Name: "one failed, one still open", Events: and(underWay, told((*Factory).AsyncFailed)), Order: order.PaymentPending, Payment: order.PaymentIsFailed,
			Second: &Second{Events: (*Factory).Declined, Payment: order.PaymentIsFailed}},
		{Name: "paid twice", Events: paid, Order: order.Paid, Payment: order.PaymentCompleted,
			Second: &Second{Events: paid, Payment: order.PaymentCompleted}},
		{Name: "paid twice, one refunded", Events: paid, Order: order.Paid, Payment: order.PaymentCompleted,
			Second: &Second{Events: refunded, Payment: order.PaymentRefunded, Refunded: 100}},
		{Name: "paid twice, both refunded", Events: refunded, Order: order.Refunded, Payment: order.PaymentRefunded, Refunded: 100,
			Second: &Second{Events: refunded, Payment: order.PaymentRefunded, Refunded: 100}},
	}
}

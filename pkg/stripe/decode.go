package stripe

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ErrUnreadable says that the object of an event is not what its type
// promises, however often one tries. Its text names the field at fault, never
// its value.
var ErrUnreadable = errors.New("the event's object can't be read")

// readers says which types mean something for an order. The type only selects
// the reader; what an event contributes comes from its object's content.
// payment_intent.created and .requires_action are not missing: they say that
// somebody is at the till, and nothing about money.
var readers = map[string]reader{
	"checkout.session.completed":               read(sessionCompleted),
	"checkout.session.async_payment_succeeded": read(sessionAsyncSucceeded),
	"checkout.session.async_payment_failed":    read(sessionAsyncFailed),
	"checkout.session.expired":                 read(sessionExpired),

	"payment_intent.processing":     read(intentProcessing),
	"payment_intent.succeeded":      read(intentSucceeded),
	"payment_intent.payment_failed": read(intentFailed),
	"payment_intent.canceled":       read(intentCanceled),

	"charge.pending":   read(chargePending),
	"charge.succeeded": read(chargeSucceeded),
	"charge.captured":  read(chargeSucceeded),
	"charge.updated":   read(chargeSucceeded),
	"charge.failed":    read(chargeFailed),
	"charge.refunded":  read(chargeRefunded),

	// Until 2024-10-28 refunds of charges had charge.refund.updated only, and
	// not all of them; what charge.refunded says is then all there is.
	"refund.created":        read(refundChanged),
	"refund.updated":        read(refundChanged),
	"charge.refund.updated": read(refundChanged),
	"refund.failed":         read(refundFailed),

	"charge.dispute.created":          read(disputeChanged),
	"charge.dispute.updated":          read(disputeChanged),
	"charge.dispute.funds_withdrawn":  read(disputeChanged),
	"charge.dispute.funds_reinstated": read(disputeChanged),
	"charge.dispute.closed":           read(disputeClosed),
}

// reader reads the whole body of an event.
type reader func(payload []byte) (order.Contribution, error)

// ignored is what an event contributes that says nothing about an order, or
// whose type and content say different things.
var ignored = order.Contribution{Ignored: true}

// Decode says what an event contributes to an order, from its type and the
// stored body, which may be of any API version. Most types contribute nothing,
// and their bodies are not looked at. An error is always permanent and always
// ErrUnreadable: the same bytes will never read better.
func Decode(eventType string, payload []byte) (order.Contribution, error) {
	read, ok := readers[eventType]
	if !ok {
		return ignored, nil
	}
	c, err := read(payload)
	if err != nil {
		return order.Contribution{}, event.Permanent(err)
	}
	return c, nil
}

// body is as much of an event as the worker reads of it. stripe.Event itself
// can't be used: it fails on a request that is a string (before 2017-05-25)
// and on thin events, and leaves nil pointers where data is missing.
type body[T any] struct {
	Object  json.RawMessage `json:"object"`
	Account string          `json:"account"`
	Data    *struct {
		Object *T `json:"object"`
	} `json:"data"`
}

// read makes a reader of a function on the object, of which T has the fields
// that decide and no others: decoding all of stripe-go's type takes half as
// long again, and fails on what nobody asked about.
func read[T any](contribute func(*T) order.Contribution) reader {
	p := newPruner[T]()
	return func(payload []byte) (order.Contribution, error) {
		var b body[T]
		if err := json.Unmarshal(p.prune(payload), &b); err != nil {
			return order.Contribution{}, unreadable(err)
		}
		if string(b.Object) == `"`+thinObject+`"` {
			return ignored, nil
		}
		if b.Data == nil || b.Data.Object == nil {
			return order.Contribution{}, fmt.Errorf("%w: there is no data.object", ErrUnreadable)
		}
		c := contribute(b.Data.Object)
		if !c.Ignored {
			c.Account = b.Account
		}
		return c, nil
	}
}

// unreadable keeps of a decoding error what is not the customer's: the name
// and the kinds. encoding/json's own texts quote numbers and characters.
func unreadable(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("%w: it is not valid JSON", ErrUnreadable)
	}
	kind, _, _ := strings.Cut(wrong.Value, " ") // "number 2500.0"
	return fmt.Errorf("%w: %s is of the wrong kind: %s", ErrUnreadable, cmp.Or(wrong.Field, "the body"), kind)
}

// reference is an id, or the id of the object that stands in its place, which
// Stripe calls expanding. It is used instead of stripe-go's types, which take
// an id as it is written, escapes and all, and decode the whole object.
type reference string

// UnmarshalJSON takes a string, an object or null.
func (r *reference) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var expanded struct {
			ID string `json:"id"`
		}
		err := json.Unmarshal(text, &expanded)
		*r = reference(expanded.ID)
		return err
	}
	return json.Unmarshal(text, (*string)(r))
}

// withOwner fills in what every object can say about whose it is. reference is
// the session's client_reference_id; nothing else has one.
func withOwner(c order.Contribution, metadata map[string]string, reference string, livemode *bool) order.Contribution {
	c.RestaurantID = usable(metadata["restaurantId"])
	c.OrderID = usable(metadata["orderId"])
	if c.OrderID == "" {
		c.OrderID = usable(reference)
	}
	c.PaymentID = usable(metadata["paymentId"])
	c.ObjectLivemode = livemode
	return c
}

// usable drops an id that can't be a key into our tables.
func usable(id string) string {
	if !usableID(id) {
		return ""
	}
	return id
}

// set is a set of one id, or the empty set for no id.
func set(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

// sorted makes a set of ids that may be there several times, in their place.
func sorted(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// contradicts reports whether a field is there and says something else than
// the event's type. Older API versions lack some of them; then the type is
// all there is.
func contradicts(value, expected string) bool { return value != "" && value != expected }

// money is evidence of an amount in the currency's minor unit. Without a
// currency it would be evidence of nothing in particular, so there is none.
func money(amount int64, currency string) []order.Money {
	if currency == "" {
		return nil
	}
	return []order.Money{{Amount: amount, Currency: strings.ToLower(currency)}}
}

package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	stripego "github.com/stripe/stripe-go/v76"

	"tillhook/pkg/event"
)

// pageSize is the most that Stripe lists at a time.
const pageSize = 100

// listed are the types that are asked for, which may be 20 at the most. Of
// those with a reader three are missing: charge.updated, and the two on a
// dispute's funds. What they say of money, others say of the same object.
var listed = []string{
	"checkout.session.completed", "checkout.session.async_payment_succeeded",
	"checkout.session.async_payment_failed", "checkout.session.expired",
	"payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
	"charge.pending", "charge.succeeded", "charge.captured", "charge.failed", "charge.refunded",
	"refund.created", "refund.updated", "charge.refund.updated", "refund.failed",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
}

// Events asks for a page of events of the types that mean something, newest
// first. Stripe keeps them for 30 days. They are the same bytes whenever they
// are asked for, but not the same as a delivery's, which knows of fewer pending
// ones.
func (a *API) Events(ctx context.Context, q event.Query) (event.Page, error) {
	values := url.Values{
		"limit": {strconv.Itoa(pageSize)}, "types[]": listed,
		"created[gte]": {strconv.FormatInt(q.Since.Unix(), 10)}, "created[lt]": {strconv.FormatInt(q.Until.Unix(), 10)},
	}
	if q.After != "" {
		values.Set("starting_after", q.After)
	}
	raw, err := a.get(ctx, q.RestaurantID, "/v1/events?"+values.Encode(), "")
	if err != nil {
		return event.Page{}, fmt.Errorf("listing events: %w", err)
	}
	var answer struct {
		Data    []json.RawMessage `json:"data"`
		HasMore bool              `json:"has_more"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return event.Page{}, fmt.Errorf("listing events: %w: it is no list", event.ErrNoAnswer)
	}
	var page event.Page
	for _, body := range answer.Data {
		heard, err := hear(bytes.Clone(body)) // else one event keeps the whole page in memory
		if err != nil {
			page.Unreadable++
			continue
		}
		page.Heard = append(page.Heard, heard)
	}
	if !answer.HasMore || len(answer.Data) == 0 {
		return page, nil
	}
	var last struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer.Data[len(answer.Data)-1], &last); err != nil || last.ID == "" || last.ID == q.After {
		return event.Page{}, fmt.Errorf("listing events: %w: no way to the next page", event.ErrNoAnswer)
	}
	page.Next = last.ID
	return page, nil
}

// hear reads an event that Stripe has told us of as ingest reads a delivery.
func hear(body []byte) (event.Heard, error) {
	e, err := Scan(body)
	if err != nil {
		return event.Heard{}, err
	}
	return event.Heard{Hints: e.Hints, Record: event.Record{
		ProviderEventID: e.ID, Type: e.Type, APIVersion: e.APIVersion, Livemode: e.Livemode,
		Payload: body, OccurredAt: e.Created,
	}}, nil
}

// about is an event that was made of an object, since none has come.
type about struct {
	id, eventType string
	created       int64 // seconds; of the same object always the same, or it would not be the same event
	livemode      bool
	account       string
	object        json.RawMessage // its exact bytes, in stripe-go's API version
}

// hear makes an event around the object, such as Stripe would have sent.
func (e about) hear() (event.Heard, error) {
	head, err := json.Marshal(struct {
		ID         string `json:"id"`
		Object     string `json:"object"`
		APIVersion string `json:"api_version"`
		Account    string `json:"account,omitempty"`
		Created    int64  `json:"created"`
		Livemode   bool   `json:"livemode"`
		Type       string `json:"type"`
	}{e.id, "event", stripego.APIVersion, e.account, e.created, e.livemode, e.eventType})
	if err != nil {
		return event.Heard{}, fmt.Errorf("making an event: %w", err)
	}
	body := append(head[:len(head)-1], `,"data":{"object":`...)
	body = append(append(body, e.object...), "}}"...)
	heard, err := hear(body)
	if err != nil { // an id that is too long, a name that is there twice
		return event.Heard{}, event.Permanent(fmt.Errorf("%w: %w", event.ErrNoAnswer, err))
	}
	return heard, nil
}

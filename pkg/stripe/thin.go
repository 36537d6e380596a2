package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"tillhook/pkg/event"
)

// thinVersion is one that knows /v2.
const thinVersion = "2024-09-30.acacia"

// Thin reports whether events of a type hold no object, but name one that would
// mean something for an order.
func Thin(eventType string) bool {
	_, ok := classic(eventType)
	return ok
}

// classic is the type of the event that a thin one stands for.
func classic(eventType string) (string, bool) {
	name, isV1 := strings.CutPrefix(eventType, "v1.")
	_, ok := readers[name]
	return name, isV1 && ok
}

// thinEvent is as much of a thin event as leads to its object.
type thinEvent struct {
	Object  string `json:"object"`
	Context string `json:"context"` // the account that it is about, if that is another
	Related *struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	} `json:"related_object"`
}

// relatedURL is where the objects are that mean something. The body is a
// restaurant's word, and its key must not be led elsewhere.
var relatedURL = regexp.MustCompile(`^/v1/(?:checkout/sessions|payment_intents|charges|refunds|disputes)/([A-Za-z0-9_]+)$`)

// Follow fetches the object that a stored thin event is about, and makes the
// event of it that Stripe would have sent to an endpoint of the other kind. The
// object is as it is now, which may be further than it was.
func (a *API) Follow(ctx context.Context, e event.Stored) (event.Heard, error) {
	name, ok := classic(e.Type)
	if !ok {
		return event.Heard{}, event.Permanent(fmt.Errorf("%s is no thin event that leads to an order", e.Type))
	}
	thin, err := readThin(e.Payload)
	if err == nil && thin.Related == nil {
		// The notification leaves it out where the event itself has it.
		var raw json.RawMessage
		if raw, err = a.get(ctx, e.RestaurantID, "/v2/core/events/"+pathID(e.ProviderEventID), thinVersion); err == nil {
			thin, err = readThin(raw)
		}
	}
	if err != nil {
		return event.Heard{}, fmt.Errorf("reading thin event %s: %w", e.ProviderEventID, err)
	}
	if thin.Related == nil {
		return event.Heard{}, event.Permanent(fmt.Errorf("thin event %s names no object", e.ProviderEventID))
	}
	if m := relatedURL.FindStringSubmatch(thin.Related.URL); m == nil || m[1] != thin.Related.ID {
		return event.Heard{}, event.Permanent(fmt.Errorf("thin event %s names no object that payments have", e.ProviderEventID))
	}
	object, err := a.get(ctx, e.RestaurantID, thin.Related.URL, "")
	if err != nil {
		return event.Heard{}, fmt.Errorf("fetching %s of thin event %s: %w", thin.Related.ID, e.ProviderEventID, err)
	}
	account := ""
	if strings.HasPrefix(thin.Context, "acct_") {
		account = thin.Context
	}
	return about{
		id: "fetched_" + e.ProviderEventID, eventType: name, created: e.OccurredAt.Unix(), livemode: e.Livemode,
		account: account, object: object,
	}.hear()
}

func readThin(body []byte) (thinEvent, error) {
	var t thinEvent
	if err := json.Unmarshal(body, &t); err != nil || t.Object != thinObject {
		return t, event.Permanent(fmt.Errorf("it is no %s", thinObject))
	}
	return t, nil
}

// pathID is an id as a part of a path; one with anything odd in it is nobody's.
func pathID(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, id)
}

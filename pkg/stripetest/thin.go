package stripetest

import "time"

// ThinEvent is the notification of an event of the thin kind on an object, such
// as v1.charge.succeeded on a payment's charge; with the id "" it names none.
func (f *Factory) ThinEvent(eventType, object, id string) Event {
	e := Event{ID: f.id("evt_test_", 60), Type: eventType, Created: f.now.Truncate(time.Second)}
	related := "null"
	if id != "" {
		related = `{"id": "` + id + `", "type": "` + object + `", "url": "` + collections[object] + id + `"}`
	}
	e.Body = []byte(`{
  "id": "` + e.ID + `",
  "object": "v2.core.event",
  "type": "` + eventType + `",
  "livemode": false,
  "created": "` + e.Created.Format("2006-01-02T15:04:05.000Z") + `",
  "context": null,
  "related_object": ` + related + `
}`)
	return e
}

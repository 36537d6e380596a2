// Package event holds what the whole product says about a Stripe event: what
// is read of its body before anyone trusts it, the row it becomes, and the
// word on whether an error is worth another attempt.
package event

import "time"

// Provider is the only payment provider; it is the value of every "provider"
// column.
const Provider = "STRIPE"

// Status is "WebhookEvent".status.
type Status string

// The life of a stored event. Processing is the only one that changes.
const (
	Processing         Status = "PROCESSING"          // stored, being worked on
	Completed          Status = "COMPLETED"           // worked off; Outcome says with what effect
	Failed             Status = "FAILED"              // verified, but a human must look; lastError says why
	VerificationFailed Status = "VERIFICATION_FAILED" // a delivery that no secret of its restaurant signed
	NoConfig           Status = "NO_CONFIG"           // a delivery for which there is no usable configuration
)

// Statuses are all of them, for who chooses one.
func Statuses() []string {
	return []string{string(Processing), string(Completed), string(Failed), string(VerificationFailed), string(NoConfig)}
}

// Replayable reports whether the event can be put through the worker again: what
// is unfinished needs it not, and what was refused must not be.
func (s Status) Replayable() bool { return s == Completed || s == Failed }

// Refused reports whether the event was not verified, and is never worked on.
func (s Status) Refused() bool { return s == VerificationFailed || s == NoConfig }

// Outcome is what a COMPLETED event did.
type Outcome string

// The outcomes of a COMPLETED event.
const (
	Applied  Outcome = "applied"   // it added a fact to a payment
	NoChange Outcome = "no_change" // it said only what was known
	Ignored  Outcome = "ignored"   // it is of a kind that says nothing about an order
)

// MaxIDLength bounds every identifier that is taken from a body, in bytes:
// B-tree rows are limited, and a longer id than Stripe's own documented
// maximum is not one of Stripe's.
const MaxIDLength = 255

// Envelope is what ingest reads of a body. Nothing in it is trusted before
// the signature of the same bytes has been verified.
type Envelope struct {
	ID         string
	Type       string
	APIVersion string // "" when the body has none: thin events, some fixtures
	Account    string // Connect account, "" when it is not a Connect event
	Created    time.Time
	Livemode   bool
	Thin       bool // Stripe's v2 events: an id and a type, the object is to be fetched
	Hints      Hints
}

// Hints are the names in a body that may lead to the restaurant it is for.
// They are keys into our own tables and nothing more.
type Hints struct {
	RestaurantID string   // metadata.restaurantId
	OrderID      string   // metadata.orderId, else client_reference_id
	Objects      []string // ids of the session, intent, charge, refund or dispute
}

// Ref finds a stored event. OccurredAt is Stripe's "created": the table is
// partitioned on it, so that a lookup with it touches one partition. Its zero
// means that it isn't known.
type Ref struct {
	ID         string
	OccurredAt time.Time
	Trace      string // the trace in which it came, as W3C's traceparent; "" for none
}

// Record is a delivery on its way into the "WebhookEvent" table.
type Record struct {
	ID              string // ours, ordered by time
	ProviderEventID string
	Type            string
	Status          Status // Processing for a verified delivery
	RestaurantID    string // "" when no restaurant was found
	APIVersion      string
	Livemode        bool
	Payload         []byte // the exact bytes of the body
	OccurredAt      time.Time
	LastError       string
	SignedWith      string // SignedCurrent or SignedPrevious, "" if unverified or not delivered
	Source          Source // "" is Webhook
	Trace           string // as in Ref; not stored
}

// Which of a restaurant's secrets verified a delivery.
const (
	SignedCurrent  = "current"
	SignedPrevious = "previous" // replaced, and still in its overlap
)

// Ref is the reference under which the record is found once it is stored.
func (r Record) Ref() Ref { return Ref{ID: r.ID, OccurredAt: r.OccurredAt, Trace: r.Trace} }

// Stored is a verified event as the worker reads it back.
type Stored struct {
	Ref
	ProviderEventID string
	Type            string
	RestaurantID    string // the restaurant whose secret verified it
	Account         string // the Connect account in its configuration, "" if none
	Livemode        bool
	Payload         []byte
}

// Attempt is one try at working a stored event off.
type Attempt struct {
	Ref
	Number int  // from 1
	Last   bool // there will be no other: what fails now is FAILED
}

// Unfinished is a stored event that nobody has worked off yet.
type Unfinished struct {
	Ref
	Type      string
	CreatedAt time.Time // when we stored it
}

// Task is what became of an unfinished event's task when it was looked after.
// The zero Task is one that is waiting for its turn or being worked on.
type Task struct {
	Made   bool      // there is a new one
	Mended bool      // what there was would never have run, as Redis had lost a part of it, and was cleared away
	Full   bool      // there is none, and for now the queue is long enough
	Next   time.Time // of the next attempt, when there is one that has a time
	Err    error     // nothing is known
}

// Health is the answer to "are webhooks getting through?".
type Health struct {
	Configured            bool       `json:"configured"`
	LastSuccessfulWebhook *time.Time `json:"lastSuccessfulWebhook"` // UTC; null if there was none
	RecentFailures        int        `json:"recentFailures"`        // verification failures of the last hour
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// ObjectDesk fetches what thin events are about.
type ObjectDesk interface {
	Follow(ctx context.Context, e event.Stored) (event.Heard, error)
}

// Successions keeps thin events and those that take their place.
type Successions interface {
	// SucceedEvent stores the record in place of the attempt's event, and
	// finishes that one, in one transaction. It reports whether the record is
	// new.
	SucceedEvent(ctx context.Context, a event.Attempt, record event.Record) (bool, error)
}

// Follower settles thin events, which name an object and don't hold it. It
// fetches the object and stores it as an event of its own: whatever reads
// stored events later needs no Stripe, and no transaction waits for it.
type Follower struct {
	thin   func(eventType string) bool
	stripe ObjectDesk
	events Successions
	queue  Enqueuer
	places *places
}

// NewFollower makes one for the types that thin knows, in a fleet that works on
// so many tasks at a time.
func NewFollower(thin func(eventType string) bool, tasks int, d ObjectDesk, s Successions, q Enqueuer) *Follower {
	return &Follower{thin: thin, stripe: d, events: s, queue: q, places: newPlaces(tasks)}
}

// A thin event for which there is no room is tried again soon while it is young:
// somebody may be waiting for it. One that waits for long is one of many, or
// Stripe has wanted peace all the while, and none is tried oftener than each
// minute.
const maxPatience, patienceShare = time.Minute, 4

var errNoPlace = errors.New("as many thin events as may be are being followed")

// later puts a thin event off.
func (f *Follower) later(e event.Stored, err error) error {
	patience := min(maxPatience, time.Since(e.OccurredAt)/patienceShare)
	return event.Later(err, max(patience, f.places.turn(e.RestaurantID)))
}

// follow settles the thin event of an attempt. An outage at Stripe is waited
// out by the ordinary backoff, up to its end: three days are enough. That too
// much is asked of Stripe uses up nothing.
func (f *Follower) follow(ctx context.Context, a event.Attempt, e event.Stored) (order.Result, error) {
	leave, ok := f.places.take(e.RestaurantID)
	if !ok {
		return order.Result{Err: f.later(e, errNoPlace)}, nil
	}
	defer leave()
	heard, err := f.stripe.Follow(ctx, e)
	if errors.Is(err, event.ErrTooMany) {
		return order.Result{Err: f.later(e, err)}, nil
	}
	if err != nil {
		if errors.Is(err, event.ErrNoAPIKey) || errors.Is(err, event.ErrAPIKey) || errors.Is(err, event.ErrForbidden) {
			err = fmt.Errorf("%w; mend it with ops secrets set-api-key, then ops events replay", err)
		}
		return order.Result{Err: err}, nil
	}
	records, err := fill(e.RestaurantID, event.Reconciled, []event.Heard{heard})
	if err != nil {
		return order.Result{}, err
	}
	stored, err := f.events.SucceedEvent(ctx, a, records[0])
	if err != nil {
		return order.Result{}, err
	}
	if !stored { // followed before, and replayed
		return order.Result{Outcome: event.NoChange}, nil
	}
	_ = f.queue.Enqueue(ctx, records[0].Ref(), records[0].Type) // else the recoverer does
	return order.Result{Outcome: event.Applied}, nil
}

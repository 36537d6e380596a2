package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"tillhook/pkg/event"
)

// ReadEvents reads the events of a batch of attempts, in their order. It locks
// nothing: what is decoded of them meanwhile, Settle applies if nobody else
// has. One that was worked off before, or isn't there, answers the zero Stored.
func (d *DB) ReadEvents(ctx context.Context, attempts []event.Attempt) ([]event.Stored, error) {
	events, err := d.readEvents(ctx, attempts)
	if err != nil {
		return nil, fmt.Errorf("reading %d events: %w", len(attempts), d.fault(ctx, err))
	}
	return events, nil
}

func (d *DB) readEvents(ctx context.Context, attempts []event.Attempt) ([]event.Stored, error) {
	attempts, err := withTimes(ctx, d, attempts)
	if err != nil {
		return nil, err
	}
	var rows []storedRow
	if err := (runner{d: d}).list(ctx, &rows, "event_read", among(attempts)...); err != nil {
		return nil, err
	}
	byID := make(map[string]event.Stored, len(rows))
	for _, r := range rows {
		if r.Status == event.Processing {
			byID[r.ID] = r.stored()
		}
	}
	events := make([]event.Stored, len(attempts))
	for i, a := range attempts {
		events[i] = byID[a.ID]
	}
	return events, nil
}

// among are the arguments by which events are found: their ids, the first and
// the last of their times.
func among(attempts []event.Attempt) []any {
	ids := make(pq.StringArray, len(attempts))
	for i, a := range attempts {
		ids[i] = a.ID
	}
	first, last := span(attempts)
	return []any{ids, first, last}
}

// span is the first and the last time of events, in unix seconds.
func span(attempts []event.Attempt) (first, last int64) {
	for i, a := range attempts {
		at := a.OccurredAt.Unix()
		if i == 0 {
			first, last = at, at
		}
		first, last = min(first, at), max(last, at)
	}
	return first, last
}

// storedRow is a verified event as queries answer it.
type storedRow struct {
	ID              string       `db:"id"`
	OccurredAt      int64        `db:"occurredAt"`
	ProviderEventID string       `db:"providerEventId"`
	Type            string       `db:"eventType"`
	RestaurantID    string       `db:"restaurantId"`
	Livemode        bool         `db:"livemode"`
	Status          event.Status `db:"status"`
	Payload         []byte       `db:"payload"`
	Account         string       `db:"account"`
}

func (r storedRow) stored() event.Stored {
	return event.Stored{
		Ref:             event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)},
		ProviderEventID: r.ProviderEventID, Type: r.Type, RestaurantID: r.RestaurantID,
		Account: r.Account, Livemode: r.Livemode, Payload: r.Payload,
	}
}

package worker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tillhook/pkg/event"
	"tillhook/pkg/telemetry"
)

// Archive keeps events.
type Archive interface {
	// KnownEvents says which of the events are stored already.
	KnownEvents(ctx context.Context, records []event.Record) ([]bool, error)
	// ForeignEvents says which of the events another restaurant's orders and
	// payments lead to, and none of the restaurant's own.
	ForeignEvents(ctx context.Context, restaurantID string, hints []event.Hints) ([]bool, error)
	// InsertEvents commits all records or none, and answers which are new.
	InsertEvents(ctx context.Context, records []event.Record) ([]bool, error)
}

// Enqueuer makes an event's task. One that is there already is no error.
type Enqueuer interface {
	Enqueue(ctx context.Context, ref event.Ref, eventType string) error
}

// Tally counts what became of events that Stripe told us of.
type Tally struct {
	Seen       int `json:"seen"`
	Known      int `json:"known"`   // stored already: delivered, or asked for before
	Foreign    int `json:"foreign"` // of another restaurant that shares the account
	Unreadable int `json:"unreadable"`
	New        int `json:"new"` // stored, or to be stored
}

// Add adds b's counts.
func (t *Tally) Add(b Tally) {
	t.Seen, t.Known, t.Foreign = t.Seen+b.Seen, t.Known+b.Known, t.Foreign+b.Foreign
	t.Unreadable, t.New = t.Unreadable+b.Unreadable, t.New+b.New
}

// Intake stores what Stripe has told us when it was asked, in the way that
// ingest stores deliveries: once, and then it is queued.
type Intake struct {
	archive Archive
	queue   Enqueuer           // nil leaves queuing to the recoverer
	metrics *telemetry.Metrics // nil counts nothing
}

// NewIntake makes one.
func NewIntake(a Archive, q Enqueuer) *Intake { return &Intake{archive: a, queue: q} }

// Counted makes the intake count what it takes.
func (in *Intake) Counted(m *telemetry.Metrics) *Intake {
	return &Intake{archive: in.archive, queue: in.queue, metrics: m}
}

// count counts what became of events that Stripe told of, or that it didn't.
func (in *Intake) count(source event.Source, t Tally, err error) {
	if in.metrics == nil {
		return
	}
	for result, n := range map[string]int{"new": t.New, "known": t.Known, "foreign": t.Foreign, "unreadable": t.Unreadable} {
		in.metrics.Asked.WithLabelValues(string(source), result).Add(float64(n))
	}
	if err != nil {
		in.metrics.AskFailures.WithLabelValues(string(source)).Inc()
	}
}

// Sort tells which of the events are new, and readies those to be stored for
// the restaurant. It changes nothing.
func (in *Intake) Sort(ctx context.Context, restaurantID string, source event.Source, heard []event.Heard) ([]event.Record, Tally, error) {
	tally := Tally{Seen: len(heard)}
	records, err := fill(restaurantID, source, heard)
	if err != nil || len(records) == 0 {
		return nil, tally, err
	}
	hints := make([]event.Hints, len(heard))
	for i := range heard {
		hints[i] = heard[i].Hints
	}
	known, err := in.archive.KnownEvents(ctx, records)
	if err != nil {
		return nil, tally, err
	}
	foreign, err := in.archive.ForeignEvents(ctx, restaurantID, hints)
	if err != nil {
		return nil, tally, err
	}
	news := records[:0]
	for i, r := range records {
		switch named := hints[i].RestaurantID; {
		case known[i]:
			tally.Known++
		case foreign[i], named != "" && named != restaurantID:
			tally.Foreign++
		default:
			news = append(news, r)
		}
	}
	tally.New = len(news)
	// In the order of every other writer, or two with the same events deadlock.
	slices.SortFunc(news, func(a, b event.Record) int { return cmp.Compare(a.ProviderEventID, b.ProviderEventID) })
	return news, tally, nil
}

// fill makes rows of what Stripe has told of.
func fill(restaurantID string, source event.Source, heard []event.Heard) ([]event.Record, error) {
	records := make([]event.Record, len(heard))
	for i, h := range heard {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("making an event's id: %w", err)
		}
		records[i] = h.Record
		records[i].ID, records[i].RestaurantID = id.String(), restaurantID
		records[i].Status, records[i].Source = event.Processing, source
	}
	return records, nil
}

// Take sorts the events, stores those that are new, and queues them. One that
// is delivered at the same moment is stored by whoever comes first, and counts
// as known here if that was not us.
func (in *Intake) Take(ctx context.Context, restaurantID string, source event.Source, heard []event.Heard) (Tally, error) {
	records, tally, err := in.Sort(ctx, restaurantID, source, heard)
	if err != nil || len(records) == 0 {
		return tally, err
	}
	news, err := in.archive.InsertEvents(ctx, records)
	if err != nil {
		tally.New = 0
		return tally, err
	}
	for i, r := range records {
		if !news[i] {
			tally.New, tally.Known = tally.New-1, tally.Known+1
			continue
		}
		if in.queue == nil {
			continue
		}
		if err := in.queue.Enqueue(ctx, r.Ref(), r.Type); err != nil {
			return tally, nil // stored is stored: the recoverer queues it and the rest
		}
	}
	return tally, nil
}

package worker

import (
	"context"
	"log/slog"
	"time"

	"tillhook/pkg/event"
)

// Listing lists events at Stripe.
type Listing interface {
	Events(ctx context.Context, q event.Query) (event.Page, error)
}

// Turns says whose turn it is, so that among all workers each restaurant has
// one at a time, and remembers how far it came.
type Turns interface {
	// ClaimBackfill takes the turn that is due for the longest, for as long as
	// lease; a new restaurant begins first ago. It reports false if none is due.
	ClaimBackfill(ctx context.Context, first, lease time.Duration) (event.Backfill, bool, error)
	// SaveBackfill notes that everything before covered was looked at, with so
	// many new events, and when the next turn is: in the lease's time while the
	// turn goes on. fault is "" for none.
	SaveBackfill(ctx context.Context, restaurantID string, covered time.Time, stored int, fault string, next time.Duration) error
}

// BackfillReach is how far back Stripe lists events.
const BackfillReach = 30 * 24 * time.Hour

const (
	// backfillFirst is how far back a restaurant's first turn looks: as long as
	// Stripe itself tries to deliver.
	backfillFirst = 72 * time.Hour

	// backfillLag leaves the newest events to their deliveries, which are under
	// way; backfillOverlap is for what Stripe lists late, and for a clock of
	// ours that is ahead.
	backfillLag     = 2 * time.Minute
	backfillOverlap = 15 * time.Minute

	// backfillSlice is the stretch after which it is noted how far we came: as
	// much is repeated after a restart, at the most.
	backfillSlice = time.Hour

	// backfillLease is longer than any one slice takes.
	backfillLease = 15 * time.Minute
)

// Backfiller asks Stripe, restaurant by restaurant, for events that never
// reached us: the endpoint was away for too long, or there was none yet.
type Backfiller struct {
	interval time.Duration
	turns    Turns
	stripe   Listing
	intake   *Intake
	log      *slog.Logger
}

// NewBackfiller makes one that gives each restaurant a turn per interval.
func NewBackfiller(interval time.Duration, t Turns, l Listing, in *Intake, log *slog.Logger) *Backfiller {
	return &Backfiller{interval: interval, turns: t, stripe: l, intake: in, log: log}
}

// lookAgain is how long a role that looks for work every interval waits when
// there was none.
func lookAgain(interval time.Duration) time.Duration { return min(interval, 30*time.Second) }

// Run gives turns until ctx ends.
func (b *Backfiller) Run(ctx context.Context) {
	tick := time.NewTicker(lookAgain(b.interval))
	defer tick.Stop()
	for {
		turn, due, err := b.turns.ClaimBackfill(ctx, backfillFirst, backfillLease)
		if err != nil && ctx.Err() == nil {
			b.log.Warn("backfilling broken off, trying again", "error", err)
		}
		if due {
			b.turn(ctx, turn)
		}
		if due && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn brings one restaurant up to date. What fails is noted with it, and said
// once.
func (b *Backfiller) turn(ctx context.Context, t event.Backfill) {
	span := Span{Since: later(t.CoveredUntil.Add(-backfillOverlap), t.Now.Add(-BackfillReach)), Until: t.Now.Add(-backfillLag)}
	covered := t.CoveredUntil
	tally, err := Backfill(ctx, b.stripe, t.RestaurantID, span, b.intake.backfill, func(until time.Time, found Tally) error {
		covered = later(covered, until)
		return b.turns.SaveBackfill(ctx, t.RestaurantID, covered, found.New, "", backfillLease)
	})
	if ctx.Err() != nil {
		// The next worker goes on from here at once.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := b.turns.SaveBackfill(ctx, t.RestaurantID, covered, 0, t.LastError, 0); err != nil {
			b.log.Warn("a backfill's turn was not given back", "restaurant", t.RestaurantID, "error", err)
		}
		return
	}
	b.intake.count(event.Backfilled, tally, err)
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	if err != nil && fault != t.LastError {
		b.log.Warn("Stripe can't be asked for missed events", "restaurant", t.RestaurantID, "error", err)
	}
	if tally.New > 0 || tally.Unreadable > 0 {
		b.log.Info("backfilled", "restaurant", t.RestaurantID, "new", tally.New, "known", tally.Known,
			"foreign", tally.Foreign, "unreadable", tally.Unreadable)
	}
	if err := b.turns.SaveBackfill(ctx, t.RestaurantID, covered, 0, fault, b.interval); err != nil && ctx.Err() == nil {
		b.log.Warn("a backfill's end was not noted", "restaurant", t.RestaurantID, "error", err)
	}
}

func (in *Intake) backfill(ctx context.Context, restaurantID string, heard []event.Heard) (Tally, error) {
	return in.Take(ctx, restaurantID, event.Backfilled, heard)
}

// Span is a stretch of time, Since included and Until not.
type Span struct{ Since, Until time.Time }

// Backfill goes through a restaurant's events at Stripe, the oldest slice of
// time first and in it page by page, and gives each page to take. After each
// slice it calls covered with the slice's end and what it held. It answers what
// it has seen, also with an error.
func Backfill(ctx context.Context, stripe Listing, restaurantID string, span Span,
	take func(ctx context.Context, restaurantID string, heard []event.Heard) (Tally, error),
	covered func(until time.Time, found Tally) error,
) (all Tally, err error) {
	until := span.Until.Truncate(time.Second)
	for from := span.Since.Truncate(time.Second); from.Before(until); {
		q := event.Query{RestaurantID: restaurantID, Since: from, Until: from.Add(backfillSlice)}
		if q.Until.After(until) {
			q.Until = until
		}
		var found Tally
		for more := true; more; more = q.After != "" {
			page, err := stripe.Events(ctx, q)
			if err != nil {
				return all, err
			}
			tally, err := take(ctx, restaurantID, page.Heard)
			tally.Seen, tally.Unreadable = tally.Seen+page.Unreadable, page.Unreadable
			all.Add(tally)
			found.Add(tally)
			if err != nil {
				return all, err
			}
			q.After = page.Next
		}
		if err := covered(q.Until, found); err != nil {
			return all, err
		}
		from = q.Until
	}
	return all, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

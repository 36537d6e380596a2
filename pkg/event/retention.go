package event

import "time"

// Partition is a week of stored events, or, without bounds, the default one,
// which takes those of absurd times.
type Partition struct {
	Name       string
	From, To   time.Time // by Stripe's "created"; zero for the default one
	Rows       int64     // estimated, -1 when nobody has counted yet
	Bytes      int64     // on disk, indexes included
	Unfinished int       // PROCESSING
}

// Clocks are the several clocks that tell how late it is, and what was dropped
// lately.
type Clocks struct {
	Database time.Time
	Stored   time.Time // when the newest event was stored; zero if there is none
	Created  time.Time // Stripe's latest "created" among the newest events; zero if there is none
	Dropped  int       // partitions that janitors have dropped in the last six hours
}

// Horizon is the time before which events may go. Any clock can be wrong by
// years, so it is counted from the earliest of them, and the zero time, before
// which nothing is, while there is no event to go by.
func (c Clocks) Horizon(now time.Time, retention time.Duration) time.Time {
	if c.Stored.IsZero() || c.Created.IsZero() {
		return time.Time{}
	}
	for _, t := range []time.Time{c.Database, c.Stored, c.Created} {
		if t.Before(now) {
			now = t
		}
	}
	return now.Add(-retention)
}

// Expired reports whether all of the partition lies before the horizon.
func (p Partition) Expired(horizon time.Time) bool {
	return !p.To.IsZero() && !p.To.After(horizon)
}

// Swept is how many rows were deleted of what has no week to go with.
type Swept struct {
	Events     int // of absurd times
	Waiting    int // notes of what finished events had waited for
	SecretUses int // of secrets that are out of use
}

// Plus adds up.
func (s Swept) Plus(o Swept) Swept {
	return Swept{s.Events + o.Events, s.Waiting + o.Waiting, s.SecretUses + o.SecretUses}
}

package event

import "time"

// Rhythm is how a restaurant's deliveries have come in the last 14 days, to the
// hour.
type Rhythm struct {
	Last    time.Time // the newest delivery
	Hours   int       // with a delivery
	Usual   time.Duration
	Longest time.Duration
}

const (
	// minHours is from how many busy hours on a restaurant has a rhythm.
	minHours = 20

	// minSilence is below every closing time.
	minSilence = 6 * time.Hour
)

// Patience is how long a restaurant with this rhythm may be silent before
// somebody should look, and zero if there is no telling. Usual, the 95th
// percentile of the gaps, is what bears with those who sell little; a night, a
// day off or a week-end is the longest gap of two weeks, and comes again.
func (r Rhythm) Patience() time.Duration {
	if r.Hours < minHours {
		return 0
	}
	return max(minSilence, 4*r.Usual, r.Longest+r.Longest/2)
}

// Silent reports whether the silence since Last is longer than is like the
// restaurant.
func (r Rhythm) Silent(now time.Time) bool {
	patience := r.Patience()
	return patience > 0 && now.Sub(r.Last) > patience
}

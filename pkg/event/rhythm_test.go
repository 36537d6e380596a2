package event_test

import (
	"testing"
	"time"

	"tillhook/pkg/event"
)

// A night, a day off or a slow trade is no silence.
func TestSilenceIsUnlikeTheRestaurant(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	now := time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		rhythm      event.Rhythm
		quiet, loud time.Duration // longest that is fine, shortest that is not; 0: never loud
	}{
		{"round the clock", event.Rhythm{Hours: 300, Usual: h, Longest: 2 * h}, 6 * h, 6*h + 1},
		{"closed at night", event.Rhythm{Hours: 150, Usual: h, Longest: 12 * h}, 18 * h, 18*h + 1},
		{"closed on Mondays", event.Rhythm{Hours: 120, Usual: h, Longest: 36 * h}, 54 * h, 54*h + 1},
		{"sells little", event.Rhythm{Hours: 20, Usual: 20 * h, Longest: 24 * h}, 80 * h, 80*h + 1},
		{"new", event.Rhythm{Hours: 19, Usual: h, Longest: h}, 1000 * h, 0},
	} {
		c.rhythm.Last = now.Add(-c.quiet)
		if c.rhythm.Silent(now) {
			t.Errorf("%s: silent after %s", c.name, c.quiet)
		}
		c.rhythm.Last = now.Add(-c.loud)
		if c.loud > 0 && !c.rhythm.Silent(now) {
			t.Errorf("%s: not silent after %s", c.name, c.loud)
		}
	}
}

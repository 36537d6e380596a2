package event_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
)

// Whichever clock is wrong, and however far: events are kept for as long as
// the slowest says.
func TestTheHorizonIsTheSlowestClocks(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 1, 9, 22, 30, 0, 0, time.UTC)
	ahead, year := now.Add(3650*day), now.Add(-365*day)
	for _, c := range []struct {
		name         string
		worker       time.Time
		clocks       event.Clocks
		fromEarliest time.Time // zero: nothing may go
	}{
		{"all agree", now, event.Clocks{Database: now, Stored: now, Created: now}, now},
		{"the worker's is ahead", ahead, event.Clocks{Database: now, Stored: now, Created: now}, now},
		{"the database's is ahead", now, event.Clocks{Database: ahead, Stored: ahead, Created: now}, now},
		{"both are ahead, and events have come since", ahead, event.Clocks{Database: ahead, Stored: ahead, Created: now}, now},
		{"both are ahead, and a tenant signs the future", ahead, event.Clocks{Database: ahead, Stored: now, Created: ahead}, now},
		{"the worker's is behind", year, event.Clocks{Database: now, Stored: now, Created: now}, year},
		{"no event for a year", now, event.Clocks{Database: now, Stored: year, Created: year}, year},
		{"no event at all", now, event.Clocks{Database: now}, time.Time{}},
		{"only refused deliveries", now, event.Clocks{Database: now, Stored: now}, time.Time{}},
	} {
		want := c.fromEarliest
		if !want.IsZero() {
			want = want.Add(-90 * day)
		}
		if diff := cmp.Diff(want, c.clocks.Horizon(c.worker, 90*day)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
	week := event.Partition{From: now.Add(-7 * day), To: now}
	for horizon, want := range map[time.Time]bool{now.Add(-1): false, now: true, now.Add(day): true, {}: false} {
		if got := week.Expired(horizon); got != want {
			t.Errorf("before %s: expired %t", horizon, got)
		}
	}
	if (event.Partition{}).Expired(ahead) {
		t.Error("the default partition has no age")
	}
}

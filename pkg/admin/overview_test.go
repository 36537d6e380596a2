package admin

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/event"
)

// Each figure of the overview counts what it says: what was refused is not
// verified, and what was stored and what has failed are no sum.
func TestTheOverviewCountsWhatItSays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 9, 22, 30, 20, 0, time.UTC)
	s := guardedServer(t, true)
	s.pulse = newPulse(nil, s.Log)
	s.pulse.backlog.ReadAt = now
	for _, m := range []event.Minute{
		{At: now.Add(-2 * time.Minute), Stored: 9, Refused: 4, NoConfig: 1},
		{At: now.Add(-20 * time.Minute), Stored: 5, Refused: 2, Failed: 40},
	} {
		s.pulse.minutes[m.At.Unix()/60] = m
	}
	text, err := s.fragment()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]string{}
	for _, m := range regexp.MustCompile(`<dt>([^<]+)</dt><dd>(?:<a[^>]*>)?([^<]+)`).FindAllStringSubmatch(string(text), -1) {
		counts[m[1]] = m[2]
	}
	for name, want := range map[string]string{
		"Verified, last hour": "8", "Failed, last hour": "40", "Not verified, last hour": "5", "No configuration, last hour": "1",
	} {
		if counts[name] != want {
			t.Errorf("%s: %q, want %s", name, counts[name], want)
		}
	}
	var tops []string
	for _, m := range regexp.MustCompile(`class="top">([^<]+)`).FindAllStringSubmatch(string(text), -1) {
		tops = append(tops, m[1])
	}
	if got := strings.Join(tops, "; "); got != "5 stored, 40 failed; 5 stored, 40 failed" {
		t.Errorf("the tallest bars are of: %s", got)
	}
}

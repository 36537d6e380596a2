package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/postgres"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		d          time.Duration
		span, left string
	}{
		{-time.Second, "0 s", "0 s"},
		{119*time.Second + time.Millisecond, "119 s", "2 min"},
		{2*time.Minute - 1, "119 s", "2 min"},
		{time.Hour - 1, "59 min", "60 min"},
		{72*time.Hour - time.Millisecond, "71 h", "72 h"},
		{72 * time.Hour, "72 h", "72 h"},
		{4*day - 1, "95 h", "4 d"},
		{30*day - time.Second, "29 d", "30 d"},
	} {
		if got := span(c.d); got != c.span {
			t.Errorf("span(%s) = %s, want %s", c.d, got, c.span)
		}
		if got := left(c.d); got != c.left {
			t.Errorf("left(%s) = %s, want %s", c.d, got, c.left)
		}
	}
}

func TestTableGivesWayInOneColumn(t *testing.T) {
	t.Parallel()
	make := func(elastic int) []string {
		tab := table{columns: []string{"A", "NAME", "N"}, elastic: elastic, right: []int{2}}
		tab.add(strings.Repeat("a", 40), strings.Repeat("é", 60), "1")
		tab.add("b", "short", "22")
		var out strings.Builder
		if err := tab.write(&out); err != nil {
			t.Fatal(err)
		}
		return strings.Split(out.String(), "\n")
	}
	got := make(1)
	if n := len([]rune(got[1])); n != lineWidth || !strings.HasSuffix(got[1], "é…   1") {
		t.Errorf("%d characters: %s", n, got[1])
	}
	if got := make(-1); len([]rune(got[1])) != 40+2+60+2+2 {
		t.Errorf("cut: %s", got[1])
	}
}

// The types of Stripe's events tell what has happened at their end, and of what at
// their beginning: neither gives way.
func TestListedTypesDiffer(t *testing.T) {
	t.Parallel()
	var all []postgres.Event
	types := []string{"checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_failed",
		"payment_intent.succeeded", "charge.succeeded", "payment_intent.payment_failed", "charge.failed"}
	for _, eventType := range types {
		all = append(all, postgres.Event{ID: strings.Repeat("0", 36), Status: "VERIFICATION_FAILED", Type: eventType, Source: "webhook"})
	}
	var out strings.Builder
	if err := (&ops{now: time.Now}).writeEvents(&out, all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		fields := strings.Fields(line)
		seen[fields[len(fields)-1]] = true
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > lineWidth {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	if len(seen) != len(types)+1 {
		t.Errorf("%d of %d can be told apart:\n%s", len(seen)-1, len(types), out.String())
	}
}

// What is said at the end of a reconciliation has words for every count, and fits a
// terminal, too.
func TestTheEndOfReconciled(t *testing.T) {
	t.Parallel()
	const add = "\nNothing was changed. To do it, add --commit.\n"
	for _, c := range []struct {
		r    reconciled
		want string
	}{
		{reconciled{}, "No order waits for so long.\n"},
		{reconciled{Orders: make([]reconciledOrder, 1), Unexplained: 1}, "Would store nothing. Stripe has nothing new for 1 order.\n"},
		{reconciled{Orders: make([]reconciledOrder, 3), Unexplained: 2, Failed: 1},
			"Would store nothing. Stripe has nothing new for 2 orders. 1 order can't be\nlooked up.\n"},
		{reconciled{Orders: make([]reconciledOrder, 1), Events: 2, Explained: 1}, "Would store 2 events for 1 of 1 order.\n" + add},
		{reconciled{Orders: make([]reconciledOrder, 300), Events: 1, Explained: 1, Unexplained: 100, Failed: 199, written: written{Committed: true}},
			"Stored 1 event for 1 of 300 orders. Stripe has nothing new for 100 orders. 199\norders can't be looked up.\n"},
	} {
		var out strings.Builder
		if err := c.r.table(&out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, strings.TrimLeft(out.String(), "\n")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// How long ago something was is said in the units that are printed.
func TestPointInTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "90m": now.Add(-90 * time.Minute), "6h ago": now.Add(-6 * time.Hour), "-6h": now.Add(-6 * time.Hour),
		"2d": now.AddDate(0, 0, -2), "30d ago": now.AddDate(0, 0, -30), "2026-01-31T11:00:00Z": now.Add(-time.Hour),
	} {
		if got, err := pointInTime("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, want %s: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"d", "1.5d", "2", "2 d", "-2d", "99999999d", "yesterday"} {
		if got, err := pointInTime("--since", text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// The clock of the machine that checks is the one that a service has.
func TestCompareClocks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const remedy = "check NTP on both (timedatectl): beyond 5 min, deliveries are refused as too old or from the future"
	for _, c := range []struct {
		name         string
		tour, theirs time.Duration // how long reading took, and how far they are from its middle
		text         string
		faults       []fault
	}{
		{"together", 0, 0, "agrees with the database's", []fault{}},
		{"a slow link", 8 * time.Second, 0, "agrees with the database's", []fault{}},
		{"5 s", 0, 5 * time.Second, "5.0 s behind the database's", []fault{}},
		{"6 s behind", 0, 6 * time.Second, "6.0 s behind the database's", []fault{{"this machine's clock is 6s behind the database's", remedy}}},
		{"an hour ahead", time.Second, -time.Hour, "3600.0 s ahead of the database's", []fault{{"this machine's clock is 1h0m0s ahead of the database's", remedy}}},
	} {
		got := compareClocks(now, now.Add(c.tour), now.Add(c.tour/2+c.theirs))
		if diff := cmp.Diff(c.faults, got.Faults); diff != "" || got.String() != c.text {
			t.Errorf("%s: %s (-want +got)\n%s", c.name, got, diff)
		}
	}
}

package app_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// events stores so many in a week, all of a status.
func (d *desk) events(status, at string, n int) {
	d.Helper()
	d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "dedupeKey")
		SELECT $1 || $2 || n, 'x', $1, 'r', '', $2::timestamptz, $2::timestamptz, $1 || $2 || n FROM generate_series(1, $3) n`, status, at, n)
}

// The operator sees which weeks are past retention and why one stays, and can
// hurry the janitor.
func TestOpsPartitions(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`DO $$ DECLARE p record; BEGIN
		FOR p IN SELECT part FROM tillhook_partitions() WHERE ends IS NOT NULL LOOP EXECUTE format('DROP TABLE %s', p.part); END LOOP; END $$`)
	d.exec(`SELECT tillhook_create_partitions('2024-01-08Z', '2024-02-05Z')`)
	d.exec(`SELECT tillhook_create_partitions('2100-01-04Z', '2100-01-05Z')`)
	// same compares what a command shows, but for sizes, ages and widths.
	same := func(want, got string) {
		t.Helper()
		for what, by := range map[string]string{`\b\d+ kB`: "N kB", `in \d+ d`: "in N d", ` +`: " "} {
			got, want = regexp.MustCompile(what).ReplaceAllString(got, by), regexp.MustCompile(what).ReplaceAllString(want, by)
		}
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	list := func() string { t.Helper(); return d.works("", "partitions", "list") }
	const nothing = "There is no partition to drop.\n"
	d.shows(0, nothing, "", "partitions", "drop") // there is no event to tell how late it is

	d.events("COMPLETED", "2024-01-10 12:00:00+00", 30)
	d.events("FAILED", "2024-01-17 12:00:00+00", 20)
	d.events("PROCESSING", "2024-01-17 12:00:00+00", 1)
	d.events("NO_CONFIG", "2024-01-24 12:00:00+00", 1)
	d.events("COMPLETED", time.Now().UTC().Format(time.RFC3339), 1)
	d.exec(`ANALYZE "WebhookEvent_20240108"`)
	same(`
PARTITION              FROM        TO          ROWS   SIZE  OPEN  GOES
WebhookEvent_20240108  2024-01-08  2024-01-15    30  N kB           0  due
WebhookEvent_20240115  2024-01-15  2024-01-22     ?  N kB           1  held
WebhookEvent_20240122  2024-01-22  2024-01-29     ?  N kB           0  due
WebhookEvent_20240129  2024-01-29  2024-02-05     ?  N kB           0  due
WebhookEvent_21000104  2100-01-04  2100-01-11     ?  N kB           0  in N d
WebhookEvent_default   -           -              ?  N kB           0  -
`, list())
	for line := range strings.Lines(list()) {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}

	same(`
Would drop 2 partitions:

PARTITION              FROM        TO          ROWS   SIZE  OPEN  GOES
WebhookEvent_20240108  2024-01-08  2024-01-15    30  N kB           0  due
WebhookEvent_20240122  2024-01-22  2024-01-29     ?  N kB           0  due
! WebhookEvent_20240115 stays: it holds 1 unfinished event.
! 1 partition more past retention (--limit).

Nothing was changed. To do it, add --commit.
`, d.works("", "partitions", "drop", "--limit", "2"))
	if n := d.scalar(`SELECT count(*)::text FROM "WebhookEvent"`); n != "53" {
		t.Errorf("the preview has left %s events", n)
	}
	var dropped struct {
		Action, Actor string
		Committed     bool
		Warnings      []string
		Partitions    []map[string]any
	}
	d.json(&dropped, "", "partitions", "drop", "--commit")
	if len(dropped.Partitions) != 3 || !dropped.Committed || dropped.Partitions[0]["name"] != "WebhookEvent_20240108" || dropped.Partitions[0]["dropAfter"] != "2024-04-14T00:00:00Z" {
		t.Errorf("%+v", dropped)
	}
	same(`
PARTITION              FROM        TO          ROWS   SIZE  OPEN  GOES
WebhookEvent_20240115  2024-01-15  2024-01-22     ?  N kB           1  held
WebhookEvent_21000104  2100-01-04  2100-01-11     ?  N kB           0  in N d
WebhookEvent_default   -           -              ?  N kB           0  -
`, list())
	same(`
anna@HOST | partitions drop | WebhookEvent_20240108 | 2024-01-08 to 2024-01-15, about 30 rows
anna@HOST | partitions drop | WebhookEvent_20240122 | 2024-01-22 to 2024-01-29, rows not counted
anna@HOST | partitions drop | WebhookEvent_20240129 | 2024-01-29 to 2024-02-05, rows not counted
`, d.audit())
	d.shows(2, "ops: --limit: want a positive number\n", "", "partitions", "drop", "--limit", "0")
}

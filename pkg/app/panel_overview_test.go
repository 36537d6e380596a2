package app_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var tile = regexp.MustCompile(`<dt>([^<]+)</dt><dd><a href="([^"]+)">(\d+)</a>`)

// tile is what the overview counts under a name, and the list that it leads to.
func (b *browser) tile(name string) (count, link string) {
	for _, m := range tile.FindAllStringSubmatch(b.open("/admin"), -1) {
		if m[1] == name {
			return m[3], strings.ReplaceAll(m[2], "&amp;", "&")
		}
	}
	return "", ""
}

// An event fails when its attempts are used up, days after it was stored: the
// overview counts it then. And what a tile counts is what its list shows.
func TestPanelOverviewShowsWhatFailsNow(t *testing.T) {
	t.Parallel()
	p := prepare(t, parts{noWorker: true})
	p.exec(`INSERT INTO "WebhookEvent" (id, "providerEventId", "dedupeKey", "eventType", status, "lastError", "restaurantId", payload, "occurredAt", "createdAt", "processedAt", attempts)
		SELECT 'e-' || i, 'evt_' || i, 'evt_' || i, 'charge.succeeded', 'FAILED', 'attempts used up', 'a', '{}', at, at, now() - interval '1 minute', 40
		FROM (SELECT i, now() - interval '73 hours' AS at FROM generate_series(1, 40) i) s`)
	p.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt")
		SELECT left(status, 1) || i, 'no.name', status, 'a', '{}', at, at
		FROM (VALUES ('NO_CONFIG', 2), ('VERIFICATION_FAILED', 3)) AS v(status, n), generate_series(1, n) i,
			(VALUES (now() - interval '1 minute'), (now() - interval '90 minutes')) AS w(at)`)
	b := p.panel().signedIn("vito@example.com")
	p.eventually("the overview is read", func() bool {
		b.open("/admin")
		return !strings.Contains(b.page, "The day is still being read") && strings.Contains(b.page, "Last day: 10 events stored")
	})
	b.shows(200, "Last hour: 5 events stored, 5 of them refused; 5 at the most in a minute. 40 failed, whenever they were stored.", "Last day: 10 events stored")
	for name, want := range map[string]string{"Failed, last hour": "40", "Not verified, last hour": "3", "No configuration, last hour": "2"} {
		n, link := b.tile(name)
		b.open(link)
		if rows := strings.Count(b.page, "<tr>") - 1; n != want || want != strconv.Itoa(rows) {
			t.Errorf("%s: the tile counts %s, and leads to %d events at %s; want %s", name, n, rows, link, want)
		}
	}
}

package app_test

import (
	"net/url"
	"strings"
	"testing"
)

// What the database has no text for is the name of nothing, and no fault of
// ours, whoever asks.
func TestWhatIsNoTextIsNotFound(t *testing.T) {
	t.Parallel()
	s := openStorefront(t, parts{noWorker: true})
	id, token := s.order()
	for _, bearer := range []string{s.key, token} {
		for _, order := range []string{"%00", "%ff", id + "%00"} {
			if got := s.call("POST", s.root+"/api/v1/orders/"+order+"/checkout", "", "Authorization: Bearer "+bearer); got.status != 404 || !strings.Contains(got.body, "order-not-found") {
				t.Errorf("the order %s: %d %s", order, got.status, got.body)
			}
		}
	}
	b := s.panel().signedIn("anna@example.com")
	for path, want := range map[string]int{
		"/admin/orders/%00": 404, "/admin/events/%00": 404, "/admin/events/%ff": 404, "/admin/settings/payments/%00": 404,
		"/admin/events?id=%ff": 400, "/admin/events?type=%00": 400, "/admin/events?order=%00": 400, "/admin/audit?restaurant=%00": 400,
		"/admin/orders?status=%00": 400, "/admin/events?before=2026-01-01T00:00:00Z&beforeId=%00": 400,
		"/admin/orders?before=9999-12-31T23:59:59Z": 200, "/admin/events?since=0000-01-01T00:00": 200,
	} {
		if b.open(path); b.status != want || !strings.Contains(b.page, "</html>") {
			t.Errorf("%s: %d, want %d", path, b.status, want)
		}
	}
	b.open("/admin/events")
	b.send("/admin/events/replay", url.Values{"id": {"a\x00b"}})
	b.shows(400, "no text")
	// One browser is a stranger's, in the other anna has signed in before.
	for _, c := range []*browser{b.browser(), b} {
		c.open("/admin")
		c.send("/admin/signout", url.Values{})
		c.open("/admin/signin")
		c.send("/admin/signin", url.Values{"email": {"a\x00@b"}, "password": {"x"}})
		c.shows(401, "The address or the password is wrong.")
	}
	if log := s.logs.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Error("an error is logged:", log)
	}
}

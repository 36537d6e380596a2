package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Each sign-in has a token of its own, and ends the session before. No session
// lasts longer than twelve hours, however busy.
func TestPanelSessionsAreRenewed(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	b := p.signedIn("anna@example.com")
	first := b.cookieValue("_session")
	page := p.signedIn("anna@example.com").page // elsewhere, at the same time
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession"`); n != "2" || page == "" {
		t.Fatalf("%s sessions", n)
	}
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	// The form is shown again to who has lost their session's cookie only.
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "tillhook_session", MaxAge: -1}})
	b.open("/admin/signin")
	b.plant("tillhook_session", first)
	b.send("/admin/signin", url.Values{"email": {"anna@example.com"}, "password": {panelPassword}})
	b.shows(200)
	if second := b.cookieValue("_session"); second == first || second == "" {
		t.Error("the token is the same")
	}
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession"`); n != "2" {
		t.Errorf("%s sessions, want the one elsewhere and the new one", n)
	}
	thief := p.browser()
	thief.plant("tillhook_session", first)
	thief.open("/admin/audit")
	thief.shows(200, "Password")
	p.exec(`UPDATE "OperatorSession" SET "lastSeenAt" = now() - interval '29 minutes', "createdAt" = now() - interval '11 hours', "expiresAt" = "expiresAt" - interval '11 hours'`)
	b.open("/admin/audit")
	b.shows(200, "anna@example.com")
	if left := p.scalar(`SELECT bool_and("expiresAt" - now() BETWEEN interval '59 minutes' AND interval '1 hour')::text FROM "OperatorSession"`); left != "true" {
		t.Error("a session lasts for another time than twelve hours")
	}
}

func TestPanelSessionsEnd(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	for what, statement := range map[string]string{
		"another password": `UPDATE "Operator" SET "passwordHash" = "passwordHash" || '' WHERE email = 'anna@example.com'`,
		"another role":     `UPDATE "Operator" SET role = 'operator' WHERE email = 'anna@example.com'`,
		"nobody came":      `UPDATE "OperatorSession" SET "lastSeenAt" = now() - interval '31 minutes'`,
		"a day is over":    `UPDATE "OperatorSession" SET "expiresAt" = now()`,
	} {
		b := p.signedIn("anna@example.com")
		p.exec(statement)
		b.open("/admin/audit")
		if !strings.Contains(b.page, "Password") {
			t.Errorf("%s: the session goes on", what)
		}
	}
	b := p.signedIn("anna@example.com")
	p.exec(`UPDATE "OperatorSession" SET "lastSeenAt" = now() - interval '29 minutes'`)
	b.open("/admin/audit") // which makes it last longer
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession" WHERE "lastSeenAt" > now() - interval '1 minute'`); n != "1" {
		t.Errorf("%s sessions go on", n)
	}
	p.exec(`UPDATE "Operator" SET "disabledAt" = now()`)
	b.open("/admin/audit")
	b.shows(200, "Password")
	b.signInAs("anna@example.com", panelPassword)
	b.shows(401)
}

// Whatever is done in the panel leaves a line in the audit: where it can't be
// written, nobody is signed in.
func TestPanelWithoutAuditLetsNobodyIn(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	p.exec(`ALTER TABLE "AuditEntry" ADD CONSTRAINT full_disk CHECK (action <> 'panel: sign in') NOT VALID`)
	b := p.browser()
	b.signInAs("anna@example.com", panelPassword)
	b.shows(500)
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession"`); n != "0" {
		t.Errorf("%s sessions that no line tells of", n)
	}
	for _, name := range []string{"_session", "_device"} {
		if b.cookieValue(name) != "" {
			t.Errorf("the browser was given a cookie %s", name)
		}
	}
	b.open("/admin/audit")
	b.shows(200, "Password")
	p.exec(`ALTER TABLE "AuditEntry" DROP CONSTRAINT full_disk`)
	b.signInAs("anna@example.com", panelPassword)
	b.shows(200, "panel: sign in", "from 127.0.0.1")
	if n := p.audited("anna@example.com", "panel: sign in", "opr_anna"); n != "1" {
		t.Errorf("%s lines, want one", n)
	}
}

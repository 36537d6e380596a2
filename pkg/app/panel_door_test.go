package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// exec runs a statement that must succeed.
func (p *product) exec(query string, args ...any) {
	p.Helper()
	if _, err := p.db.Exec(query, args...); err != nil {
		p.Fatalf("%s: %v", query, err)
	}
}

// panelAlone is a panel without the rest of the product.
func panelAlone(t *testing.T) *panel {
	t.Helper()
	return prepare(t, parts{}).panel()
}

func (b *browser) signInAs(email, password string) {
	b.Helper()
	b.open("/admin/signin")
	b.send("/admin/signin", url.Values{"email": {email}, "password": {password}, "next": {"/admin/audit"}})
}

func TestPanelLetsInWhoHasThePassword(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	b := p.browser()
	b.open("/admin/orders?status=PAID")
	b.shows(200, "Password", `value="/admin/orders?status=PAID"`)
	b.signInAs("Anna@Example.com ", panelPassword)
	b.shows(200, "anna@example.com", "panel: sign in", "from 127.0.0.1")

	// Nobody can tell from an answer who there is.
	var answers []string
	for _, email := range []string{"anna@example.com", "nobody@example.com", "", strings.Repeat("x", 5000)} {
		other := p.browser()
		other.signInAs(email, "wrong password")
		other.shows(401, "The address or the password is wrong.")
		answers = append(answers, formToken.ReplaceAllString(strings.ReplaceAll(other.page, email, "EMAIL"), ""))
	}
	if answers[0] != answers[1] {
		t.Errorf("the answers differ:\n%s\n%s", answers[0], answers[1])
	}
	if n := p.audited("anna@example.com", "panel: sign-in refused", "opr_anna"); n != "1" {
		t.Errorf("%s audit lines of who was refused", n)
	}

	stranger := p.browser() // without the cookie that came with the form
	stranger.send("/admin/signin", url.Values{"email": {"anna@example.com"}, "password": {panelPassword}, "csrf": {"x"}})
	stranger.shows(403)

	b.open("/admin")
	token := b.cookieValue()
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession" WHERE encode("tokenHash", 'hex') = $1 OR encode("tokenHash", 'escape') = $1`, token); n != "0" {
		t.Error("the session's token itself is stored")
	}
	b.send("/admin/signout", url.Values{})
	b.shows(200, "Password")
	b.open("/admin")
	b.shows(200, "Password")
	if n := p.scalar(`SELECT count(*)::text FROM "OperatorSession"`); n != "0" {
		t.Errorf("%s sessions after signing out", n)
	}
}

func (b *browser) cookieValue() string {
	u, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if strings.HasSuffix(c.Name, "_session") {
			return c.Value
		}
	}
	return ""
}

func TestPanelSlowsGuessersDown(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	guesser := p.browser()
	for i := range 10 {
		guesser.signInAs("anna@example.com", fmt.Sprint("guess ", i))
		guesser.shows(401)
	}
	// The right one doesn't count any more either, or guessing would go on.
	guesser.signInAs("anna@example.com", panelPassword)
	guesser.shows(429, "Too many tries")
	if guesser.header.Get("Retry-After") == "" {
		t.Error("nothing says when to come again")
	}
	if err := app.Ops(t.Context(), app.Process{Args: []string{"admins", "set-password", "anna@example.com", "--stdin", "--commit"},
		Env: []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal()}, Stdin: strings.NewReader(panelPassword), Stdout: io.Discard, Stderr: io.Discard}); err != nil {
		t.Fatal(err)
	}
	guesser.signInAs("anna@example.com", panelPassword)
	guesser.shows(200, "anna@example.com")
	guesser = p.browser()
	// Another account is not shut out, but the address is, in the end.
	guesser.signInAs("vito@example.com", panelPassword)
	guesser.shows(200, "vito@example.com")
	strange := p.browser()
	last := 0
	for i := range 12 {
		strange.signInAs(fmt.Sprint("someone-", i, "@example.com"), "guess")
		last = strange.status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the address may go on: %d", last)
	}
	for _, later := range []string{"16 minutes", "40 minutes"} {
		p.exec(`UPDATE "SignInTry" SET since = since - $1::interval`, later)
		guesser = p.browser()
		guesser.signInAs("anna@example.com", panelPassword)
		guesser.shows(200, "anna@example.com")
	}
	if n := p.scalar(`SELECT count(*)::text FROM "SignInTry"`); n != "2" {
		t.Errorf("%s counts are kept, want the last sign-in's two", n)
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

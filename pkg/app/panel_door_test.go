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
	token := b.cookieValue("_session")
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

func (b *browser) cookieValue(name string) string {
	u, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if strings.HasSuffix(c.Name, name) {
			return c.Value
		}
	}
	return ""
}

// tries signs in until it is told to wait, and answers how often it was not.
func (b *browser) tries(email, password string, most int) (n int) {
	b.Helper()
	for ; n <= most; n++ {
		if b.signInAs(email, password); b.status == http.StatusTooManyRequests {
			if b.header.Get("Retry-After") == "" || !strings.Contains(b.page, "Too many tries") {
				b.Error("nothing says when to come again")
			}
			return n
		}
		b.shows(401)
	}
	b.Errorf("after %d tries nobody was told to wait", n)
	return n
}

// behindProxy is a panel that believes in the addresses that we name.
func behindProxy(t *testing.T) *panel {
	t.Helper()
	return prepare(t, parts{env: []string{"TRUSTED_PROXIES=127.0.0.1"}}).panel()
}

func (p *panel) at(address string) *browser {
	p.Helper()
	b := p.browser()
	b.from = address
	return b
}

// An address may try ten times for one account and twenty times for all of
// them, within a quarter of an hour; neither is of any concern to others.
func TestPanelSlowsGuessersDown(t *testing.T) {
	t.Parallel()
	p := behindProxy(t)
	guesser := p.at("203.0.113.1")
	if n := guesser.tries("anna@example.com", "guess", 100); n != 10 {
		t.Errorf("one account was tried %d times", n)
	}
	// The right one doesn't count any more either, or guessing would go on.
	guesser.signInAs("anna@example.com", panelPassword)
	guesser.shows(429)
	// Another account is not shut out there, nor is the account elsewhere.
	guesser = p.at("203.0.113.1")
	guesser.signInAs("vito@example.com", panelPassword)
	guesser.shows(200, "vito@example.com")
	anna := p.at("198.51.100.7")
	anna.signInAs("anna@example.com", panelPassword)
	anna.shows(200, "anna@example.com")

	n, strange := 0, p.at("2001:db8::1")
	for ; n <= 100 && strange.status != http.StatusTooManyRequests; n++ {
		strange.from = fmt.Sprintf("2001:db8::%x", n+1) // all of them one customer's
		strange.signInAs(fmt.Sprint("someone-", n, "@example.com"), "guess")
	}
	if n != 21 {
		t.Errorf("an address was told to wait at try %d", n)
	}
	for _, later := range []string{"16 minutes", "40 minutes"} {
		p.exec(`UPDATE "SignInTry" SET since = since - $1::interval`, later)
		guesser = p.at("203.0.113.1")
		guesser.signInAs("anna@example.com", panelPassword)
		guesser.shows(200, "anna@example.com")
	}
	if n := p.scalar(`SELECT count(*)::text FROM "SignInTry"`); n != "3" {
		t.Errorf("%s counts are kept, want the last sign-in's three", n)
	}
}

// Somebody with many addresses gets fifty tries for an account, and can shut its
// operator out of strange browsers, but not of the one that they use.
func TestPanelLetsNobodyShutAnOperatorOut(t *testing.T) {
	t.Parallel()
	p := behindProxy(t)
	anna := p.at("198.51.100.7")
	anna.signInAs("anna@example.com", panelPassword)
	anna.shows(200)
	anna.send("/admin/signout", url.Values{})
	n := 0
	for i := range 20 {
		n += p.at(fmt.Sprint("203.0.113.", i)).tries("anna@example.com", "guess", 100)
		if n%10 != 0 || i > 5 {
			break
		}
	}
	if n != 50 {
		t.Errorf("an account was tried %d times", n)
	}
	stranger := p.at("198.51.100.8")
	stranger.signInAs("anna@example.com", panelPassword)
	stranger.shows(429)
	vito := p.at("198.51.100.8")
	vito.signInAs("vito@example.com", panelPassword)
	vito.shows(200, "vito@example.com")

	// At home or on the way: it is the browser that is known.
	for _, address := range []string{"198.51.100.7", "192.0.2.99"} {
		anna.from = address
		anna.signInAs("anna@example.com", panelPassword)
		anna.shows(200, "anna@example.com")
		anna.send("/admin/signout", url.Values{})
	}
	// It has a limit of its own, is of no use for others' accounts, and nobody
	// makes one up.
	if n := anna.tries("anna@example.com", "guess", 100); n != 10 {
		t.Errorf("on a known browser it was tried %d times", n)
	}
	for _, mark := range []string{"1.x.y", "x", "99999999999." + strings.Repeat("a", 64) + "." + strings.Repeat("b", 64), "." + strings.Repeat("b", 64)} {
		forger := p.at("198.51.100.9")
		forger.plant("tillhook_device", mark)
		forger.signInAs("anna@example.com", panelPassword)
		forger.shows(429)
	}
	device := vito.cookieValue("_device")
	thief := p.at("198.51.100.10")
	thief.plant("tillhook_device", device)
	thief.signInAs("anna@example.com", panelPassword)
	thief.shows(429)

	p.setPassword("anna@example.com", panelPassword)
	if n := p.scalar(`SELECT count(*)::text FROM "SignInTry" WHERE key LIKE 'account %' AND tries > 1`); n != "0" {
		t.Errorf("%s counts of the account are left", n)
	}
	stranger.signInAs("anna@example.com", panelPassword)
	stranger.shows(200, "anna@example.com")
	// What was known before another password is a stranger.
	if n := anna.tries("anna@example.com", "guess", 100); n != 10 {
		t.Errorf("%d", n)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "SignInTry" WHERE key LIKE '% on %'`); n != "0" {
		t.Errorf("%s browsers are known by an old password", n)
	}
}

// setPassword does it on the command line.
func (p *panel) setPassword(email, password string) {
	p.Helper()
	if err := app.Ops(p.Context(), app.Process{Args: []string{"admins", "set-password", email, "--stdin", "--commit"},
		Env: []string{"DATABASE_URL=" + p.cfg.DatabaseURL.Reveal()}, Stdin: strings.NewReader(password), Stdout: io.Discard, Stderr: io.Discard}); err != nil {
		p.Fatal(err)
	}
}

// plant sets a cookie as somebody might by hand.
func (b *browser) plant(name, value string) {
	b.Helper()
	u, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value}})
}

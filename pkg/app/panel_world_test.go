package app_test

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

const panelPassword = "correct horse battery"

// panel is the operators' panel of a product.
type panel struct {
	*product
	url string
}

// panel starts the panel beside the product, with the operators anna, who may
// change things, and vito, who may look.
func (p *product) panel() *panel {
	p.Helper()
	hash := secret.HashPassword(panelPassword)
	for email, role := range map[string]event.Access{"anna@example.com": event.Operates, "vito@example.com": event.Viewer} {
		o := event.Operator{ID: "opr_" + email[:4], Email: email, Role: role, PasswordHash: hash}
		if err := p.db.CreateOperator(context.Background(), postgres.Operator{Actor: "test", Action: "create"}, o); err != nil {
			p.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fatal(err)
	}
	cfg := p.cfg
	cfg.IngestURL = p.base
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := app.RunAdmin(ctx, cfg, slog.New(slog.NewJSONHandler(p.logs, nil)), l); err != nil {
			p.Errorf("panel: %v", err)
		}
	})
	p.Cleanup(func() {
		stop()
		running.Wait()
	})
	return &panel{product: p, url: "http://" + l.Addr().String()}
}

// browser is one person's, with their cookies.
type browser struct {
	*panel
	client *http.Client
	from   string // the address that a proxy says it has, "" for none
	origin string // the site that sends its forms, "" for the panel's own
	page   string // the one that is open
	status int
	header http.Header
}

func (p *panel) browser() *browser {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	b := &browser{panel: p, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	p.Cleanup(b.client.CloseIdleConnections)
	return b
}

// signedIn is a browser in which somebody has signed in.
func (p *panel) signedIn(email string) *browser {
	p.Helper()
	b := p.browser()
	b.open("/admin")
	b.send("/admin/signin", url.Values{"email": {email}, "password": {panelPassword}, "next": {"/admin"}})
	if b.status != http.StatusOK || !strings.Contains(b.page, email) {
		p.Fatalf("%s can't sign in: %d %s", email, b.status, b.page)
	}
	return b
}

func (b *browser) open(path string) string {
	b.Helper()
	return b.request(http.MethodGet, path, nil)
}

var formToken = regexp.MustCompile(`name="csrf" value="([0-9a-f]*)"`)

// send sends a form of the page that is open, with its token.
func (b *browser) send(path string, form url.Values) string {
	b.Helper()
	if m := formToken.FindStringSubmatch(b.page); m != nil && form.Get("csrf") == "" {
		form.Set("csrf", m[1])
	}
	return b.request(http.MethodPost, path, form)
}

func (b *browser) request(method, path string, form url.Values) string {
	b.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if method != http.MethodGet {
		req.Header.Set("Origin", cmp.Or(b.origin, b.url))
	}
	if b.from != "" {
		req.Header.Set("X-Forwarded-For", b.from)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.page, b.status, b.header = string(text), resp.StatusCode, resp.Header
	return b.page
}

// shows wants a page with these texts in it.
func (b *browser) shows(status int, texts ...string) {
	b.Helper()
	if b.status != status {
		b.Fatalf("answered with %d, want %d\n%s", b.status, status, b.page)
	}
	for _, text := range texts {
		if !strings.Contains(b.page, text) {
			b.Fatalf("%q is not on the page\n%s", text, b.page)
		}
	}
}

// audited counts the audit lines that look like this.
func (p *panel) audited(actor, action, target string) string {
	return p.scalar(`SELECT count(*)::text FROM "AuditEntry" WHERE actor = $1 AND action = $2 AND target LIKE $3`, actor, action, target)
}

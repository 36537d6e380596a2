package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/app"
	"tillhook/pkg/devstack"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// The operators' keys, A being the first that there was.
const (
	keyA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	keyB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// desk is where an operator sits: a database, a key, and all that was said.
type desk struct {
	*testing.T
	url, keys string
	db        *postgres.DB
	env       []string // more of the environment
	said      strings.Builder
	secrets   []string // that nothing may tell
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, url: devstack.Database(t, migrate), keys: keyA}
	db, err := postgres.Open(d.url, postgres.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	d.db = db
	t.Cleanup(func() {
		d.tellsNothing()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// tellsNothing looks for secrets in all output, errors and audit lines.
func (d *desk) tellsNothing() {
	d.Helper()
	all := d.said.String() + d.audit()
	for _, s := range append(d.secrets, keyA, keyB, "v1:") {
		if strings.Contains(all, s) {
			d.Errorf("%.12s… was told", s)
		}
	}
}

// secret is a signing secret of 38 characters.
func (d *desk) secret(name string) string {
	s := "whsec_" + name + strings.Repeat("x", 32-len(name))
	d.secrets = append(d.secrets, s)
	return s
}

// run runs a command and answers what a terminal shows, the error included.
func (d *desk) run(stdin string, args ...string) (out string, code int) {
	d.Helper()
	var stdout, stderr bytes.Buffer
	err := app.Ops(d.Context(), app.Process{
		Args: args, Env: append([]string{"DATABASE_URL=" + d.url, "PAYMENT_CONFIG_ENC_KEY=" + d.keys, "USER=anna"}, d.env...),
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
	})
	out = stdout.String() + stderr.String()
	if err != nil {
		out += told(err)
	}
	d.said.WriteString(out)
	return out, app.ExitCode(err)
}

var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b(rest|cfg)_[a-z0-9]{16}\b`), "${1}_ID"},
	{regexp.MustCompile(`\b\d+ s\b`), "N s"},
	{regexp.MustCompile(`(agrees with|[\d.]+ s (ahead of|behind)|[\d.]*N s (ahead of|behind)) the database's`), "CLOCK"},
	{regexp.MustCompile(`\banna@\S+`), "anna@HOST"},
	{regexp.MustCompile(`\bin [\d.]+m?s\.`), "in SECONDS."},
}

// shows runs a command and compares what it shows, but for times and ids, and
// how it exits. No line may be wider than a terminal.
func (d *desk) shows(code int, want, stdin string, args ...string) {
	d.Helper()
	out, got := d.run(stdin, args...)
	masked := out
	for _, m := range masks {
		masked = m.what.ReplaceAllString(masked, m.by)
	}
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), masked); diff != "" || got != code {
		d.Errorf("ops %s: exit %d, want %d (-want +got)\n%s\n%s", strings.Join(args, " "), got, code, diff, masked)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			d.Errorf("ops %s: a line of %d characters: %s", strings.Join(args, " "), n, line)
		}
	}
}

// told is an error as a terminal shows it.
func told(err error) string {
	var out strings.Builder
	app.TellError(&out, err)
	return out.String()
}

// works runs a command that must succeed.
func (d *desk) works(stdin string, args ...string) string {
	d.Helper()
	out, code := d.run(stdin, args...)
	if code != 0 {
		d.Fatalf("ops %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// json runs a command and decodes what it prints to stdout, strictly.
func (d *desk) json(v any, stdin string, args ...string) {
	d.Helper()
	out, _ := d.run(stdin, append(args, "-o", "json")...)
	text, _, _ := strings.Cut(out, "ops: ")
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		d.Fatalf("ops %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (d *desk) exec(query string, args ...any) {
	d.Helper()
	if _, err := d.db.Exec(query, args...); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
}

func (d *desk) scalar(query string, args ...any) string {
	d.Helper()
	var v *string
	if err := d.db.Get(&v, query, args...); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// audit is every audit line: who, what, on which row, which columns.
func (d *desk) audit() string {
	d.Helper()
	text := d.scalar(`SELECT string_agg(concat_ws(' | ', actor, action, target, detail), E'\n' ORDER BY id) FROM "AuditEntry"`)
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.by)
	}
	return text
}

// restaurant makes a restaurant with a configuration by SQL: its ids are slug
// and "c-" slug. A value is a plain secret, or sealed by seal.
func (d *desk) restaurant(slug, value string) {
	d.Helper()
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ($1, 'The ' || $1, $1)`, slug)
	d.exec(`INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", livemode, "webhookSecret") VALUES ('c-' || $1, $1, true, NULLIF($2, ''))`, slug, value)
}

// sealed makes a restaurant whose secret is sealed, set some days ago.
func (d *desk) sealed(slug, keys, plain string, days int) {
	d.Helper()
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ($1, 'The ' || $1, $1)`, slug)
	d.exec(`INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", livemode, "webhookSecret", "webhookSecretFingerprint", "webhookSecretSetAt")
		VALUES ('c-' || $1, $1, true, $2, $3, now() - make_interval(days => $4))`, slug, d.seal(keys, plain, "c-"+slug), secret.Fingerprint(plain), days)
}

func (d *desk) seal(keys, plain, row string) string {
	d.Helper()
	ring, err := secret.ParseRing(keys)
	if err != nil {
		d.Fatal(err)
	}
	value, err := ring.Seal(plain, row)
	if err != nil {
		d.Fatal(err)
	}
	return value
}

// delivered stores an event that a restaurant's secret has verified, and that it has.
func (d *desk) delivered(restaurant, signedWith, ago string) {
	d.Helper()
	d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "createdAt", "signedWith", "dedupeKey")
		VALUES ($1, 'x', 'COMPLETED', $2, '', now(), now() - $3::interval, $4, $1)`, fmt.Sprint("e-", restaurant, signedWith, ago), restaurant, ago, signedWith)
	d.exec(`INSERT INTO "SecretUse" ("restaurantId", fingerprint, "lastUsedAt")
		SELECT $1, CASE $2 WHEN 'current' THEN "webhookSecretFingerprint" ELSE "previousWebhookSecretFingerprint" END, now() - $3::interval
		FROM "RestaurantPaymentConfig" WHERE "restaurantId" = $1
		ON CONFLICT ("restaurantId", fingerprint) DO UPDATE SET "lastUsedAt" = excluded."lastUsedAt"`, restaurant, signedWith, ago)
}

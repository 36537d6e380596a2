package app_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/stripetest"
)

// No secret is in anything that the product prints, serves or stores in the
// clear: both programs run for real, with good and bad traffic, a rotation, a
// plain secret by SQL, a secret that doesn't open, and wrong configurations.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	p := start(t, parts{noWorker: true})
	metricsA, metricsB, port := freePort(t), freePort(t), freePort(t)
	ingest := p.launch("ingest", "PORT="+port, "METRICS_ADDR=127.0.0.1:"+metricsA)
	worker := p.launch("worker", "METRICS_ADDR=127.0.0.1:"+metricsB)
	p.base = "http://127.0.0.1:" + port
	p.eventually("ingest answers", func() bool { return p.get("/health").status == http.StatusOK })

	const second, third = "whsec_second0123456789abcdef", "whsec_third0123456789abcdef"
	secrets := []string{p.secrets["a"], p.secrets["b"], second, third, encKey, "sk_live_pasted"}
	var said strings.Builder
	pay := p.newPayments("a", 1)[0]
	for _, secret := range []string{p.secrets["a"], p.secrets["b"], "whsec_wrong"} {
		e := p.factory.CheckoutCompleted(pay)
		fmt.Fprintln(&said, p.post(endpoint, stripetest.Sign(secret, e.Body, time.Now()), e.Body))
	}
	fmt.Fprintln(&said, p.post(endpoint+"/slug-b", "t=1,v1="+p.secrets["b"], []byte(`{"id":`)))
	for _, args := range []string{"secrets rotate a --stdin --commit", "secrets check", "secrets due", "restaurants list -o json", "secrets reseal"} {
		out, err := p.ops(second+"\n", strings.Fields(args)...)
		fmt.Fprintln(&said, out, err)
	}
	for _, statement := range []string{
		`UPDATE "RestaurantPaymentConfig" SET "webhookSecret" = '` + third + `' WHERE "restaurantId" = 'b'`,
		`UPDATE "RestaurantPaymentConfig" SET "secretKey" = 'sk_live_pasted', "webhookSecret" = 'v1:' || repeat('QUJD', 20) WHERE "restaurantId" = 'a'`,
	} {
		if _, err := p.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	p.eventually("the plain secret is sealed", func() bool {
		return p.scalar(`SELECT (count(*) FILTER (WHERE "webhookSecret" LIKE 'whsec%' OR "previousWebhookSecret" LIKE 'whsec%') = 0)::text FROM "RestaurantPaymentConfig"`) == "true"
	})
	e := p.factory.CheckoutCompleted(pay)
	fmt.Fprintln(&said, p.deliver(pay, e))
	p.eventually("the first event is worked off", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	for _, addr := range []string{metricsA, metricsB} {
		p.base = "http://127.0.0.1:" + addr
		got := p.get("/metrics")
		if !strings.Contains(got.body, "tillhook_") {
			t.Fatalf("no metrics: %d", got.status)
		}
		fmt.Fprintln(&said, got)
	}
	ingest.terminate(t)
	worker.terminate(t)
	fmt.Fprintf(&said, "%v %+v %#v\n", p.cfg, p.cfg, p.cfg)
	fmt.Fprintln(&said, wrongConfigurations(t, secrets))

	for place, text := range map[string]string{
		"an answer, a metric, a command or an error": said.String(),
		"the log of ingest":                          ingest.logs.String(),
		"the log of the worker":                      worker.logs.String(),
		"the log of the product in this process":     p.logs.String(),
		"the database":                               p.everythingStored(),
	} {
		if len(text) < 100 {
			t.Errorf("%s: only %q was looked at", place, text)
		}
		for _, secret := range secrets {
			if place == "the database" && secret == "sk_live_pasted" {
				continue // an operator wrote it in the clear, and only its own command seals it
			}
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds a secret: …%s…", place, text[max(0, at-80):min(len(text), at+20)])
			}
		}
	}
}

// wrongConfigurations starts the program with secrets in the wrong places.
func wrongConfigurations(t *testing.T, secrets []string) (out string) {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "PAYMENT_CONFIG_ENC_KEY", "PORT", "TRUSTED_PROXIES", "APP_ENV"} {
		c := exec.Command(filepath.Join(dir, "ingest"))
		c.Env = []string{"APP_ENV=production", name + "=" + strings.Join(secrets, "x")}
		text, err := c.CombinedOutput()
		if err == nil {
			t.Errorf("it started with a secret as %s", name)
		}
		out += string(text)
		_, err = app.ReadConfig(c.Env, app.RoleIngest)
		out += fmt.Sprintf("%v %+v", err, err)
	}
	return out
}

// everythingStored is the text of every row of every table.
func (p *product) everythingStored() string {
	p.Helper()
	var tables []string
	if err := p.db.Select(&tables, `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'`); err != nil {
		p.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		var rows []string
		if err := p.db.Select(&rows, `SELECT to_jsonb(t)::text FROM `+table+` t`); err != nil {
			p.Fatal(err)
		}
		all.WriteString(strings.Join(rows, "\n"))
		if strings.HasPrefix(table, `"WebhookEvent"`) {
			if err := p.db.Select(&rows, `SELECT encode(payload, 'escape') FROM `+table); err != nil {
				p.Fatal(err)
			}
			all.WriteString(strings.Join(rows, "\n"))
		}
	}
	return all.String()
}

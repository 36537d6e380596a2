// Package app puts the product together: configuration, wiring, lifecycle. It
// is the only package that knows all the others.
package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"

	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
)

// Config is everything that the environment decides, for all binaries. The doc
// tags are the table in the README, and "for" says who reads the variable. What
// is secret prints as such.
type Config struct {
	DatabaseURL secret.Text `env:"DATABASE_URL" for:"all" secret:"true" doc:"Postgres, as postgres://user:password@host:port/database; Prisma's parameters are understood. Required."`
	RedisURL    secret.Text `env:"REDIS_URL" for:"ingest, worker, admin, ops" secret:"true" doc:"Redis, as redis:// or rediss:// (with ?skip_verify=true where its certificate is nobody's but its own); several comma-separated hosts are a Cluster; redis-sentinel://host,host/master. Required."`
	EncKeys     secret.Text `env:"PAYMENT_CONFIG_ENC_KEY" for:"ingest, worker, api, admin, ops" secret:"true" doc:"64 hex digits: the key under which signing secrets and API keys are stored, and of which the order tokens' is made. Several, comma-separated: the first seals, all open. Required in staging and production."`

	Port           int           `env:"PORT" envDefault:"3000" for:"ingest, api" doc:"The public port."`
	MetricsAddr    string        `env:"METRICS_ADDR" for:"ingest, worker, api" doc:"Private address for /metrics, /livez, /readyz with each check, and /health/restaurants/{slug or id}, such as 127.0.0.1:9090. Empty: none."`
	TrustedProxies Networks      `env:"TRUSTED_PROXIES" for:"ingest, api, admin" doc:"Addresses or networks, comma-separated, whose X-Forwarded-For is believed. Empty: nobody's."`
	IPAllowlist    Networks      `env:"STRIPE_IP_ALLOWLIST" for:"ingest" doc:"Addresses or networks, comma-separated, that may call the webhook endpoint; the rest gets 403. Stripe publishes its own and announces changes a week ahead. Empty: everyone may, the signature decides."`
	FrontendURL    string        `env:"FRONTEND_URL" for:"api" doc:"The shop, such as https://shop.example: its pages may ask the storefront API, and Stripe leads customers back to /orders/{id} below it, with checkout=success or checkout=cancelled. Required."`
	AdminAddr      string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:3001" for:"admin" doc:"Private address of the panel. Its cookies need TLS, unless this is the machine itself and APP_ENV is development."`
	IngestURL      string        `env:"INGEST_URL" envDefault:"http://127.0.0.1:3000" for:"admin" doc:"Where the panel sends its test events: the ingest endpoint, without the path."`
	AppEnv         string        `env:"APP_ENV" envDefault:"development" for:"all" doc:"development, staging or production: text or JSON logs, and how strict the start is. NODE_ENV is read when it is unset."`
	Concurrency    int           `env:"WORKER_CONCURRENCY" envDefault:"384" for:"worker" doc:"Tasks at a time; they share transactions of up to 128 events."`
	OTLPEndpoint   string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT" for:"ingest, worker" doc:"Where traces go, by OTLP over HTTP, such as http://collector:4318; OTEL_TRACES_SAMPLER says how many. Empty: nowhere."`
	StripeAPIBase  string        `env:"STRIPE_API_BASE" envDefault:"https://api.stripe.com" for:"worker, api, admin, ops" doc:"Where Stripe is asked, for restaurants with an API key. Plain http only on this machine."`
	StripeAPIRate  int           `env:"STRIPE_API_RATE" envDefault:"20" for:"worker, admin, ops" doc:"Requests a second to Stripe, of one process for all restaurants; one restaurant gets 10 at the most."`
	Backfill       time.Duration `env:"BACKFILL_INTERVAL" envDefault:"1h" for:"worker" doc:"How often Stripe is asked for events that never came. 0: never."`
	Reconcile      time.Duration `env:"RECONCILE_INTERVAL" envDefault:"15m" for:"worker" doc:"How often Stripe is asked about an order that stays unpaid, at first. 0: never."`
	ReconcileAfter time.Duration `env:"RECONCILE_AFTER" envDefault:"60m" for:"worker" doc:"How long an order may wait for its payment before Stripe is asked about it."`
	ShutdownDelay  time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" for:"ingest, api" doc:"How long to go on serving after SIGTERM while /readyz and /health say 503, so that a load balancer moves on first: longer than it takes to notice. 0: not at all."`
	RecoverAfter   time.Duration `env:"RECOVER_AFTER" envDefault:"30s" for:"worker" doc:"How long a stored event may be unfinished before the recoverer looks whether it has a task."`
	EventRetention time.Duration `env:"EVENT_RETENTION" envDefault:"2160h" for:"worker, ops" doc:"How long stored events are kept, a week at a time; not below 840h, as Stripe redelivers by hand for 30 days."`
}

// minRetention is Stripe's 30 days, and room for a delivery on its way.
const minRetention = 35 * 24 * time.Hour

// localKey is how the key begins with which docker-compose.yml starts where
// nobody has made one.
const localKey = "6c6f63616c206f6e6c79"

// Role is what a process needs of the configuration.
type Role struct {
	Name                string
	Redis, Secret, Shop bool
}

// The binaries' roles.
var (
	RoleIngest = Role{Name: "ingest", Redis: true, Secret: true}
	RoleWorker = Role{Name: "worker", Redis: true, Secret: true}
	RoleAPI    = Role{Name: "api", Secret: true, Shop: true}
	RoleAdmin  = Role{Name: "admin", Redis: true, Secret: true}
	RoleOps    = Role{Name: "ops"}
)

// Faults is every reason why a configuration can't be used. No text holds a
// value: most of them are secrets.
type Faults []string

func (f Faults) Error() string {
	noun := "faults"
	if len(f) == 1 {
		noun = "fault"
	}
	return fmt.Sprintf("the configuration has %d %s:\n  %s", len(f), noun, strings.Join(f, "\n  "))
}

// ReadConfig reads environ ("KEY=value", as os.Environ gives it) for a role.
// The error is Faults and names them all.
func ReadConfig(environ []string, role Role) (Config, error) {
	values := env.ToMap(environ)
	faults := readFiles(values)
	if values["APP_ENV"] == "" && values["NODE_ENV"] != "" {
		values["APP_ENV"] = values["NODE_ENV"]
	}
	for name, value := range values {
		if value == "" { // set but empty is unset, as compose files have it
			delete(values, name)
		}
	}
	var cfg Config
	var aggregate env.AggregateError
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: values}); errors.As(err, &aggregate) {
		for _, err := range aggregate.Errors {
			faults = append(faults, parseFault(err))
		}
	} else if err != nil {
		faults = append(faults, err.Error())
	}
	faults = append(faults, cfg.check(role)...)
	if len(faults) > 0 {
		return Config{}, faults
	}
	return cfg, nil
}

func (c Config) check(role Role) (faults Faults) {
	want := func(ok bool, name, format string, args ...any) {
		if !ok {
			faults = append(faults, name+": "+fmt.Sprintf(format, args...))
		}
	}
	want(c.DatabaseURL != "", "DATABASE_URL", "missing; such as postgres://user:password@host:5432/database")
	if c.DatabaseURL != "" {
		_, err := openPostgres(c, role.Name)
		want(err == nil, "DATABASE_URL", "%v", err)
	}
	if role.Redis {
		want(c.RedisURL != "", "REDIS_URL", "missing; such as redis://host:6379/0")
		if c.RedisURL != "" {
			q, err := openQueue(c)
			want(err == nil, "REDIS_URL", "%v", err)
			if err == nil {
				_ = q.Close() // nothing was connected
			}
		}
	}
	switch c.AppEnv {
	case "development", "staging", "production", "test", "":
	default:
		want(false, "APP_ENV", "want development, staging or production")
	}
	if role.Secret {
		strict := c.AppEnv == "production" || c.AppEnv == "staging"
		want(c.EncKeys != "" || !strict, "PAYMENT_CONFIG_ENC_KEY", "missing; make one with: openssl rand -hex 32")
		want(!strict || !strings.Contains(strings.ToLower(c.EncKeys.Reveal()), localKey), "PAYMENT_CONFIG_ENC_KEY", "the one from deploy/secrets/local, which everybody knows; make one with: openssl rand -hex 32")
		_, err := secret.ParseRing(c.EncKeys.Reveal())
		want(err == nil, "PAYMENT_CONFIG_ENC_KEY", "%v", err)
	}
	if role.Shop {
		err := checkFrontend(c.FrontendURL)
		want(err == nil, "FRONTEND_URL", "%v", err)
	}
	want(c.Port >= 0 && c.Port < 1<<16, "PORT", "want 1 to 65535")
	want(c.Concurrency > 0, "WORKER_CONCURRENCY", "want a positive number")
	want(c.ShutdownDelay >= 0, "SHUTDOWN_DELAY", "want a positive time, such as 5s, or 0 for none")
	want(c.RecoverAfter > 0, "RECOVER_AFTER", "want a positive time, such as 30s")
	want(c.EventRetention >= minRetention, "EVENT_RETENTION", "want %s or more: a delivery whose first row is gone would be a new event, and Stripe redelivers by hand for 30 days", minRetention)
	want(c.Backfill >= 0, "BACKFILL_INTERVAL", "want a positive time, such as 1h, or 0 for never")
	want(c.Reconcile >= 0, "RECONCILE_INTERVAL", "want a positive time, such as 15m, or 0 for never")
	want(c.ReconcileAfter > 0, "RECONCILE_AFTER", "want a positive time, such as 60m")
	want(c.StripeAPIRate > 0, "STRIPE_API_RATE", "want a positive number")
	err := stripe.CheckBase(c.StripeAPIBase)
	want(err == nil, "STRIPE_API_BASE", "%v", err)
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		want(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "OTEL_EXPORTER_OTLP_ENDPOINT", "want http://host:port")
	}
	_, _, err = net.SplitHostPort(c.AdminAddr)
	want(err == nil, "ADMIN_ADDR", "want host:port")
	u, err := url.Parse(c.IngestURL)
	want(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "INGEST_URL", "want http://host:port or https://host")
	if c.MetricsAddr != "" {
		_, _, err := net.SplitHostPort(c.MetricsAddr)
		want(err == nil, "METRICS_ADDR", "want host:port")
	}
	return faults
}

// checkFrontend says what is wrong with the shop's address.
func checkFrontend(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want the shop's address, such as https://shop.example")
	}
	// A browser sends another spelling of it as the page's origin.
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return errors.New("want the shop's host as browsers send it, such as xn--bcher-kva.example for bücher.example")
	}
	return nil
}

// readFiles fills in a secret from the file that NAME_FILE names, as container
// platforms hand secrets over.
func readFiles(values map[string]string) (faults Faults) {
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("env")
		path := values[name+"_FILE"]
		if t.Field(i).Tag.Get("secret") == "" || path == "" {
			continue
		}
		if values[name] != "" {
			faults = append(faults, name+": set together with "+name+"_FILE; which one?")
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, name+"_FILE: "+err.Error())
			continue
		}
		values[name] = strings.TrimSpace(string(content))
	}
	return faults
}

// parseFault names the variable instead of the Go field, and not the value.
func parseFault(err error) string {
	var parse env.ParseError
	if errors.As(err, &parse) {
		if f, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
			return fmt.Sprintf("%s: not a %s", f.Tag.Get("env"), kindName(parse.Type))
		}
	}
	return err.Error()
}

// Networks is a comma-separated list of addresses and networks.
type Networks []netip.Prefix

// UnmarshalText reads the list; an address is a network of one.
func (n *Networks) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if addr, err := netip.ParseAddr(part); err == nil {
			*n = append(*n, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(part)
		if err != nil {
			return err
		}
		*n = append(*n, network.Masked())
	}
	return nil
}

func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "time, such as 30s"
	case t != nil && t.Kind() == reflect.Int:
		return "whole number"
	case t == reflect.TypeFor[Networks]():
		return "list of addresses or networks, such as 10.0.0.0/8,192.0.2.7"
	}
	return "valid value"
}

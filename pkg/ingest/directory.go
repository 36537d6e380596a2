package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"tillhook/pkg/event"
)

// Configs reads the restaurants' configurations and says when they changed.
type Configs interface {
	Configs(ctx context.Context) ([]event.Config, error)
	// WatchConfigs calls changed after every write until ctx ends.
	WatchConfigs(ctx context.Context, changed func()) error
	// SealSecret replaces the plain secret with this fingerprint by its sealed
	// form.
	SealSecret(ctx context.Context, configID, fingerprint, sealed string) error
}

// Vault opens stored secrets. rowID is the configuration that they belong to.
type Vault interface {
	Open(stored, rowID string) (string, error)
	Seal(plain, rowID string) (string, error)
	// Plain reports whether stored is not sealed, and could be; Fingerprint
	// tells plain secrets apart without telling them.
	Plain(stored string) bool
	Fingerprint(plain string) string
}

const (
	// pollInterval is how long a lost notification can go unnoticed.
	pollInterval = 15 * time.Second

	// watchAgain is the pause before the next try to listen: Postgres may refuse
	// it, as when it has little time.
	watchAgain = 5 * time.Second

	readWithin = 10 * time.Second // bounds one reading of all configurations
	readAgain  = time.Second      // the pause after one that has failed

	// How many deliveries that nobody's secret matched may make us look again
	// at once. A genuine one follows a rotation, or a restaurant's first day;
	// the rest is forged and must not keep the database busy.
	looksPerSecond = 5
	looksBurst     = 20
)

// Directory holds all restaurants with their signing secrets in memory: a few
// hundred bytes each, so that thousands fit, no request waits for the database
// to learn a secret, and a name that doesn't exist costs nothing.
type Directory struct {
	configs Configs
	vault   Vault
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[snapshot]

	reading  sync.Mutex // one reader at a time, and asOf never goes back
	looks    *rate.Limiter
	reported map[string]string // by secret: the fault that is in the log already
}

// tenant is a restaurant that a delivery may be for.
type tenant struct {
	restaurantID string
	configID     string          // "" without an active configuration
	livemode     *bool           // nil while nobody has said
	setAt        int64           // when the current secret was stored, in microseconds
	secrets      []signingSecret // also the previous one past its expiry, to tell why it is refused
	fault        string          // why there is no secret, for operators
	locked       bool            // the fault is that a secret is there, but no key opens it
}

type signingSecret struct {
	value       string
	fingerprint string
	expires     time.Time // zero for the current one
}

type snapshot struct {
	asOf         time.Time // when reading began
	bySlug, byID map[string]*tenant
	byAccount    map[string][]*tenant // restaurants may share one
	active       []*tenant            // those with a secret
}

// NewDirectory makes an empty directory; Run fills it and keeps it fresh.
func NewDirectory(configs Configs, vault Vault, log *slog.Logger) *Directory {
	return &Directory{configs: configs, vault: vault, log: log, now: time.Now,
		looks: rate.NewLimiter(looksPerSecond, looksBurst), reported: map[string]string{}}
}

// Ready is nil once the configurations have been read.
func (d *Directory) Ready() error {
	if d.current.Load() == nil {
		return errNotReady
	}
	return nil
}

// Run reads the configurations, and again after each change and every
// pollInterval, until ctx ends.
func (d *Directory) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		d.watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default: // a reload is due already
			}
		})
	}()
	defer func() { <-watching }()
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		wait = pollInterval
		if err := d.Reload(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("configurations not read, the last ones stay in use", "error", err)
			wait = readAgain
		}
	}
}

// watch hears of changes until ctx ends, and says once why it doesn't.
func (d *Directory) watch(ctx context.Context, changed func()) {
	for said := ""; ctx.Err() == nil; {
		err := d.configs.WatchConfigs(ctx, changed)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			d.log.Warn("for now changed secrets are noticed by polling only", "interval", pollInterval, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

// Freshen makes sure that the configurations have been read since the given
// time, unless too many have asked for that.
func (d *Directory) Freshen(ctx context.Context, since time.Time) error {
	if d.current.Load().asOf.After(since) {
		return nil
	}
	d.reading.Lock()
	defer d.reading.Unlock()
	// Another's look, if it began late enough, is as good. Only those who look
	// for themselves use up the allowance.
	if d.current.Load().asOf.After(since) || !d.looks.Allow() {
		return nil
	}
	return d.read(ctx)
}

// Reload reads the configurations.
func (d *Directory) Reload(ctx context.Context) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	return d.read(ctx)
}

func (d *Directory) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	asOf := time.Now()
	configs, err := d.configs.Configs(ctx)
	if err != nil {
		return err
	}
	s := &snapshot{
		asOf:   asOf,
		bySlug: make(map[string]*tenant, len(configs)), byID: make(map[string]*tenant, len(configs)),
		byAccount: map[string][]*tenant{},
	}
	for _, c := range configs {
		t := d.tenant(c)
		s.bySlug[c.Slug], s.byID[c.RestaurantID] = t, t
		if c.Account != "" {
			s.byAccount[c.Account] = append(s.byAccount[c.Account], t)
		}
		if len(t.live(d.now())) > 0 {
			s.active = append(s.active, t)
		}
	}
	d.current.Store(s)
	for _, c := range configs {
		d.seal(ctx, c)
	}
	return nil
}

// tenant opens the secrets of one configuration. One that can't be opened is
// as good as none, and says why in the log; the secret itself never does.
func (d *Directory) tenant(c event.Config) *tenant {
	t := &tenant{restaurantID: c.RestaurantID, configID: c.ID, livemode: c.Livemode, setAt: c.SecretSetAt.UnixMicro()}
	if c.ID == "" {
		t.fault = "no active Stripe configuration"
		return t
	}
	open := func(stored string, expires time.Time) {
		value, err := d.vault.Open(stored, c.ID)
		which := c.ID + " current"
		if !expires.IsZero() {
			which = c.ID + " previous"
		}
		if err != nil {
			if expires.IsZero() { // an old one that doesn't open is no loss once it is past its time
				t.fault, t.locked = fmt.Sprintf("the signing secret can't be opened: %v", err), true
			} else if d.now().After(expires) {
				return
			}
			if d.reported[which] != err.Error() { // not at every reading
				d.reported[which] = err.Error()
				d.log.Error("signing secret can't be opened", "restaurant", c.RestaurantID, "config", c.ID, "error", err)
			}
			return
		}
		delete(d.reported, which)
		t.secrets = append(t.secrets, signingSecret{value, d.vault.Fingerprint(value), expires})
	}
	if c.Secret == "" {
		t.fault = "the configuration has no signing secret"
		return t
	}
	open(c.Secret, time.Time{})
	if c.PreviousSecret != "" {
		open(c.PreviousSecret, c.PreviousExpiresAt)
	}
	return t
}

// seal puts a secret that an operator wrote in the clear under the key.
func (d *Directory) seal(ctx context.Context, c event.Config) {
	for _, stored := range []string{c.Secret, c.PreviousSecret} {
		// What is sealed under an older key stays so: processes with different
		// rings would seal it back and forth.
		if stored == "" || !d.vault.Plain(stored) {
			continue
		}
		plain, err := d.vault.Open(stored, c.ID)
		if err != nil {
			continue // reported by tenant
		}
		sealed, err := d.vault.Seal(plain, c.ID)
		if err == nil {
			err = d.configs.SealSecret(ctx, c.ID, d.vault.Fingerprint(stored), sealed)
		}
		if err != nil {
			d.log.Warn("a secret stays unsealed", "restaurant", c.RestaurantID, "config", c.ID, "error", err)
		}
	}
}

// live are the secrets of t that may verify a delivery now.
func (t *tenant) live(now time.Time) []signingSecret {
	if len(t.secrets) == 1 && t.secrets[0].expires.IsZero() {
		return t.secrets // the usual case: no rotation under way
	}
	values := make([]signingSecret, 0, 2)
	for _, s := range t.secrets {
		if s.expires.IsZero() || now.Before(s.expires) {
			values = append(values, s)
		}
	}
	return values
}

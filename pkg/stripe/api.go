package stripe

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
	"golang.org/x/time/rate"

	"tillhook/pkg/event"
)

const (
	// DefaultBase is Stripe itself.
	DefaultBase = "https://api.stripe.com"

	// perRestaurant is requests a second. Stripe's own limit is 100, 25 in a
	// sandbox, of which the shop's checkout needs the most.
	perRestaurant = 10

	// refusedFor is how long a key that Stripe has refused is not tried again,
	// unless another takes its place.
	refusedFor = time.Hour

	defaultRate    = 20
	defaultMaxWait = 30 * time.Second

	callTimeout   = time.Minute      // of one question, with all its retries and pauses
	headerTimeout = 15 * time.Second // of one request, until the answer begins
	retries       = 2                // stripe-go's, after a fault of the network or of Stripe's
)

// Key is an API key, and the Connect account that it is used for, "" for its
// own. It prints as "[API key]".
type Key struct{ secret, account string }

// NewKey makes a key of a plain sk_… or rk_….
func NewKey(secret, account string) Key { return Key{secret, account} }

// Format prints "[API key]" for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[API key]") }

// Keys finds API keys.
type Keys interface {
	// APIKey is a restaurant's. The error is permanent if there is none that
	// could be used.
	APIKey(ctx context.Context, restaurantID string) (Key, error)
}

// APIConfig says how Stripe is asked. The zero value of a field is its default.
type APIConfig struct {
	BaseURL string        // default DefaultBase
	Rate    int           // requests a second over all restaurants, default 20
	MaxWait time.Duration // for a turn, or for as long as Stripe wants peace, default 30 s; longer is an error at once
}

// API asks Stripe, each restaurant's account with its own key. It is safe for
// concurrent use; all that use it share its limits.
type API struct {
	cfg     APIConfig
	keys    Keys
	wire    *http.Transport
	overall *rate.Limiter

	mu       sync.Mutex
	accounts map[string]*account // by restaurant
}

// NewAPI makes one. Nothing is asked yet.
func NewAPI(cfg APIConfig, keys Keys) *API {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBase
	}
	if cfg.Rate == 0 {
		cfg.Rate = defaultRate
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = defaultMaxWait
	}
	return &API{
		cfg: cfg, keys: keys, overall: rate.NewLimiter(rate.Limit(cfg.Rate), 1), accounts: map[string]*account{},
		wire: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: headerTimeout,
			IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 4, ForceAttemptHTTP2: true,
		},
	}
}

// Close drops the idle connections.
func (a *API) Close() { a.wire.CloseIdleConnections() }

// CheckBase says what is wrong with a base URL: a key may only travel
// encrypted, or not leave the machine.
func CheckBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return errors.New("want a URL such as " + DefaultBase)
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("want https, since API keys travel there; http is for this machine only")
	}
	return nil
}

// account is what is remembered of one restaurant's account at Stripe.
type account struct {
	api     *API
	limiter *rate.Limiter
	backend stripego.Backend

	mu           sync.Mutex
	restUntil    time.Time // Stripe wants no request before
	refused      [sha256.Size]byte
	refusedUntil time.Time
}

func (a *API) account(restaurantID string) *account {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.accounts[restaurantID]; known != nil {
		return known
	}
	acc := &account{api: a, limiter: rate.NewLimiter(perRestaurant, 1)}
	n := int64(retries)
	acc.backend = stripego.GetBackendWithConfig(stripego.APIBackend, &stripego.BackendConfig{
		URL: &a.cfg.BaseURL, MaxNetworkRetries: &n, LeveledLogger: &stripego.LeveledLogger{Level: stripego.LevelNull},
		HTTPClient: &http.Client{
			Transport: &turnstile{acc},
			// The key would go along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	a.accounts[restaurantID] = acc
	return acc
}

var errRefused = event.Permanent(fmt.Errorf("%w: Stripe has refused it", event.ErrAPIKey))

// get asks for one thing and answers the exact bytes. version is that of the
// answer, "" for stripe-go's own.
func (a *API) get(ctx context.Context, restaurantID, path, version string) (json.RawMessage, error) {
	key, acc, err := a.enter(ctx, restaurantID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	params := &stripego.Params{Context: ctx, Headers: http.Header{}}
	if key.account != "" {
		params.StripeAccount = &key.account
	}
	if version != "" {
		params.Headers.Set("Stripe-Version", version)
	}
	var answer stripego.APIResource
	if err := acc.backend.CallRaw(http.MethodGet, path, key.secret, nil, params, &answer); err != nil {
		return nil, acc.fault(ctx, key, err)
	}
	return answer.LastResponse.RawJSON, nil
}

// fault says in our own words why there is no answer: stripe-go's can quote
// what Stripe has sent, and Stripe's the key, with some of it masked. The same
// fault has the same text each time, so that it need be said only once.
func fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", event.ErrNoAnswer, context.Cause(ctx))
	}
	var told *stripego.Error
	if !errors.As(err, &told) {
		var network *url.Error
		switch {
		case errors.Is(err, event.ErrTooMany):
			return event.ErrTooMany
		case errors.As(err, &network):
			return fmt.Errorf("%w: %w", event.ErrNoAnswer, network.Err)
		}
		return fmt.Errorf("%w: it is not the JSON that it should be", event.ErrNoAnswer)
	}
	what := fmt.Sprintf("HTTP %d", told.HTTPStatusCode)
	if told.Code != "" {
		what += " " + string(told.Code)
	}
	switch status := told.HTTPStatusCode; {
	case status == http.StatusUnauthorized:
		return errRefused
	case status == http.StatusForbidden:
		return event.Permanent(fmt.Errorf("%w (%s)", event.ErrForbidden, what))
	case status == http.StatusNotFound:
		return event.Permanent(fmt.Errorf("%w (%s)", event.ErrNotThere, what))
	case status == http.StatusTooManyRequests:
		return fmt.Errorf("%w (%s)", event.ErrTooMany, what)
	case status < http.StatusInternalServerError && status != http.StatusConflict:
		return event.Permanent(answered{fmt.Errorf("%w (%s)", event.ErrNoAnswer, what)})
	case status == http.StatusInternalServerError:
		return answered{fmt.Errorf("%w (%s)", event.ErrNoAnswer, what)}
	}
	return fmt.Errorf("%w (%s)", event.ErrNoAnswer, what)
}

// answered is an error that Stripe keeps with the idempotency key.
type answered struct{ error }

func (a answered) Unwrap() error      { return a.error }
func (answered) Is(target error) bool { return target == event.ErrAnswered }

// isRefused reports whether Stripe has refused this very key a while ago: it
// won't do better the next time.
func (acc *account) isRefused(key Key) bool {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	return time.Now().Before(acc.refusedUntil) && acc.refused == sha256.Sum256([]byte(key.secret))
}

func (acc *account) refuse(key Key) {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	acc.refused, acc.refusedUntil = sha256.Sum256([]byte(key.secret)), time.Now().Add(refusedFor)
}

package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
)

// checkedRestaurant is what a check knows of a restaurant's secrets.
type checkedRestaurant struct {
	RestaurantID    string           `json:"restaurantId"`
	Slug            string           `json:"slug"`
	ConfigurationID string           `json:"configurationId,omitempty"`
	Active          bool             `json:"active"`
	Mode            string           `json:"mode,omitempty"`
	Secret          checkedSecret    `json:"secret"`
	SetAt           *time.Time       `json:"secretSetAt,omitempty"`
	AgeDays         int              `json:"ageDays"`
	Previous        *checkedPrevious `json:"previous,omitempty"`
	APIKey          *checkedKey      `json:"apiKey,omitempty"`
	LastAcceptedAt  *time.Time       `json:"lastAcceptedAt,omitempty"`
	LastMatched     string           `json:"lastMatched,omitempty"` // current or previous
	CurrentUsedAt   *time.Time       `json:"currentUsedAt,omitempty"`
	LastRefusedAt   *time.Time       `json:"lastRefusedAt,omitempty"`
	LastRefusedWhy  string           `json:"lastRefusedWhy,omitempty"`
	Faults          []fault          `json:"faults"`

	row postgres.Restaurant
	use postgres.Use
}

// checkedSecret is what can be told of a secret without telling it.
type checkedSecret struct {
	Stored      string `json:"stored"` // sealed, plaintext, none or unknown
	Opens       bool   `json:"opens"`
	FirstKey    bool   `json:"sealedUnderFirstKey"`
	Prefix      string `json:"prefix,omitempty"`
	Length      int    `json:"length,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Verifies    bool   `json:"verifies"` // a delivery signed with it
	plain       secret.Text
}

// checkedPrevious is the secret before.
type checkedPrevious struct {
	checkedSecret
	Accepted    bool       `json:"accepted"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
	LeftSeconds int        `json:"overlapLeftSeconds"`
	LastUsedAt  *time.Time `json:"lastUsedAt,omitempty"`
	Advice      string     `json:"advice"`
}

func checkRestaurant(r postgres.Restaurant, use postgres.Use, ring *secret.Ring, now time.Time) checkedRestaurant {
	c := checkedRestaurant{
		RestaurantID: r.ID, Slug: r.Slug, ConfigurationID: r.ConfigID, Active: r.Active, Mode: mode(r),
		SetAt: utc(r.SetAt), LastAcceptedAt: utc(use.AcceptedAt), LastMatched: use.SignedWith, CurrentUsedAt: utc(use.CurrentUsedAt),
		LastRefusedAt: utc(use.RefusedAt), LastRefusedWhy: use.RefusedWhy,
		Faults: []fault{}, row: r, use: use,
	}
	if r.SetAt != nil {
		c.AgeDays = int(r.ReadAt.Sub(*r.SetAt) / (24 * time.Hour))
	}
	var faults []fault
	c.Secret, faults = checkSecret(string(r.Secret), r, "secret", ring, now)
	if c.Secret.Opens && len(faults) == 0 && r.Fingerprint != c.Secret.Fingerprint {
		faults = append(faults, fault{
			"the fingerprint beside the secret is another secret's: it was stored by SQL that does not set it",
			"ops secrets set " + r.Slug + " --commit",
		})
	}
	// Nobody has promised anything of what is not active and has no secret.
	if r.Active || r.Secret != "" {
		c.Faults = append(c.Faults, faults...)
	}
	if r.Previous != "" {
		c.Previous = &checkedPrevious{
			Accepted: r.PreviousAccepted(), ExpiresAt: utc(r.PreviousExpiresAt),
			LastUsedAt: utc(use.PreviousUsedAt), Advice: revokeAdvice(r, use),
		}
		c.Previous.checkedSecret, faults = checkSecret(string(r.Previous), r, "previous secret", ring, now)
		if c.Previous.Accepted { // else it is no loss
			c.Previous.LeftSeconds = int(r.PreviousExpiresAt.Sub(r.ReadAt).Seconds())
			c.Faults = append(c.Faults, faults...)
		}
	}
	if r.APIKey != "" {
		c.APIKey, faults = checkStoredKey(r, ring)
		c.Faults = append(c.Faults, faults...)
	}
	return c
}

// checkSecret opens one secret and says what is wrong with it.
func checkSecret(stored string, r postgres.Restaurant, what string, ring *secret.Ring, now time.Time) (checkedSecret, []fault) {
	c := checkedSecret{Stored: storedAs(stored)}
	again := "ops secrets set " + r.Slug + " --commit"
	if what != "secret" {
		again = "ops secrets revoke-previous " + r.Slug + " --commit"
	}
	plain, err := ring.Open(stored, r.ConfigID)
	if err != nil {
		return c, []fault{unopened(stored, what, again, err, ring)}
	}
	c.Opens, c.Length, c.Fingerprint = true, len(plain), secret.Fingerprint(plain)
	c.FirstKey = c.Stored == "sealed" && !ring.NeedsReseal(stored, r.ConfigID)
	c.plain = secret.Text(plain)
	if kind := otherKind(plain); kind != "" {
		return c, []fault{{"what is stored as the " + what + " is " + kind, again}}
	}
	if !strings.HasPrefix(plain, "whsec_") {
		return c, []fault{{"the " + what + " does not begin with whsec_", again}}
	}
	c.Prefix = "whsec_"
	var faults []fault
	switch {
	case c.Stored == "plaintext":
		faults = append(faults, fault{"the " + what + " is stored in the clear", sealing(ring)})
	case !c.FirstKey:
		faults = append(faults, fault{"the " + what + " is sealed under an older key", sealing(ring)})
	}
	if err := probe(plain, now); err != nil {
		faults = append(faults, fault{fmt.Sprintf("a delivery signed with the %s does not verify: %v", what, err), again})
	} else {
		c.Verifies = true
	}
	return c, faults
}

func sealing(ring *secret.Ring) string {
	if len(ring.Fingerprints()) == 0 {
		return "set PAYMENT_CONFIG_ENC_KEY, then: ops secrets reseal --commit"
	}
	return "ops secrets reseal --commit"
}

// unopened is the fault of a value that is no secret, or nobody can read.
func unopened(stored, what, again string, err error, ring *secret.Ring) fault {
	switch {
	case errors.Is(err, secret.ErrKey) && len(ring.Fingerprints()) == 0:
		return fault{
			fmt.Sprintf("the %s is sealed, and PAYMENT_CONFIG_ENC_KEY is missing here", what),
			"run this with the PAYMENT_CONFIG_ENC_KEY of the services",
		}
	case errors.Is(err, secret.ErrKey):
		return fault{
			fmt.Sprintf("the %s can't be opened with any key in PAYMENT_CONFIG_ENC_KEY (%s)", what, ring),
			"add the key that it was sealed with; if it is lost: " + again,
		}
	case strings.TrimSpace(stored) == "":
		return fault{fmt.Sprintf("there is no %s: deliveries are refused", what), again}
	case errors.Is(err, secret.ErrEmpty):
		return fault{fmt.Sprintf("the %s is empty: deliveries are refused", what), again}
	}
	if kind := otherKind(strings.TrimSpace(stored)); kind != "" {
		return fault{"what is stored as the " + what + " is " + kind, again}
	}
	return fault{fmt.Sprintf("what is stored as the %s is neither a secret nor sealed", what), again}
}

// probe signs a delivery as Stripe does, and verifies it as ingest does.
func probe(plain string, now time.Time) error {
	body := []byte(`{"id":"evt_probe","object":"event","type":"probe"}`)
	seconds := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(plain))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	signature, err := stripe.ParseSignature("t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil)))
	if err != nil {
		return err
	}
	if err := signature.CheckTime(now); err != nil {
		return err
	}
	if !signature.Match(plain, body) {
		return stripe.ErrNoMatch
	}
	return nil
}

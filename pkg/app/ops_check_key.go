package app

import (
	"errors"
	"fmt"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// checkedKey is what can be told of an API key without telling it, and without
// asking Stripe.
type checkedKey struct {
	Stored      string `json:"stored"` // sealed, plaintext or unknown
	Opens       bool   `json:"opens"`
	FirstKey    bool   `json:"sealedUnderFirstKey"`
	Prefix      string `json:"prefix,omitempty"`
	Length      int    `json:"length,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

func checkStoredKey(r postgres.Restaurant, ring *secret.Ring) (*checkedKey, []fault) {
	stored, again := string(r.APIKey), "ops secrets set-api-key "+r.Slug+" --commit"
	c := &checkedKey{Stored: storedAs(stored)}
	plain, err := ring.Open(stored, r.ConfigID)
	switch {
	case errors.Is(err, secret.ErrKey) && len(ring.Fingerprints()) == 0:
		return c, []fault{{"the API key is sealed, and PAYMENT_CONFIG_ENC_KEY is missing here", "run this with the PAYMENT_CONFIG_ENC_KEY of the services"}}
	case errors.Is(err, secret.ErrKey):
		return c, []fault{{fmt.Sprintf("the API key can't be opened with any key in PAYMENT_CONFIG_ENC_KEY (%s)", ring),
			"add the key that it was sealed with; if it is lost: " + again}}
	case err != nil:
		return c, []fault{{"what is stored as the API key is neither a key nor sealed", again}}
	}
	if err := fitsMode(plain, r.Livemode); err != nil {
		return c, []fault{{err.Error(), again}}
	}
	c.Opens, c.Prefix, c.Length, c.Fingerprint = true, apiKeyPrefix(plain), len(plain), secret.Fingerprint(plain)
	c.FirstKey = c.Stored == "sealed" && !ring.NeedsReseal(stored, r.ConfigID)
	switch {
	case c.Stored == "plaintext":
		return c, []fault{{"the API key is stored in the clear", sealing(ring)}}
	case !c.FirstKey:
		return c, []fault{{"the API key is sealed under an older key", sealing(ring)}}
	}
	return c, nil
}

func (c checkedKey) describe() string {
	if !c.Opens {
		return c.Stored + ", and can't be used"
	}
	return fmt.Sprintf("%s, %s…, %d characters, fingerprint %s", c.Stored, c.Prefix, c.Length, c.Fingerprint)
}

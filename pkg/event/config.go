package event

import "time"

// SecretUse says that a secret has verified a delivery.
type SecretUse struct {
	RestaurantID string
	Fingerprint  string        // of the secret, which stays unnamed
	Ago          time.Duration // when that was
}

// Config is a restaurant with its active Stripe configuration, the secrets as
// they are stored: sealed, or as an operator's SQL left them.
type Config struct {
	RestaurantID      string
	Slug              string
	ID                string // "" when the restaurant has no active configuration
	Livemode          *bool  // nil while nobody has said
	Account           string // Connect account, "" if none
	Secret            string
	SecretSetAt       time.Time
	PreviousSecret    string
	PreviousExpiresAt time.Time
}

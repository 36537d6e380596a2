package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tillhook/pkg/admin"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
	"tillhook/pkg/stripe"
)

// Restaurants lists all of them, without how their secrets are used: that is
// several looks into the events for each.
func (d *adminDesk) Restaurants(ctx context.Context) ([]admin.Restaurant, error) {
	found, err := d.db.FindRestaurants(ctx, "")
	all := make([]admin.Restaurant, len(found))
	for i, r := range found {
		all[i] = panelRestaurant(r)
	}
	return all, err
}

// Restaurant reads one with how its secrets are used, and how its deliveries fare.
func (d *adminDesk) Restaurant(ctx context.Context, name string) (admin.Restaurant, error) {
	r, err := d.restaurant(ctx, name)
	if err != nil {
		return admin.Restaurant{}, err
	}
	health, use, err := d.db.RestaurantHealth(ctx, r)
	one := panelRestaurant(r)
	one.Use, one.Health = admin.Use(use), health
	return one, err
}

func panelRestaurant(r postgres.Restaurant) admin.Restaurant {
	one := admin.Restaurant{
		ID: r.ID, Slug: r.Slug, Name: r.Name, ConfigID: r.ConfigID, Mode: mode(r), Account: r.Account, Active: r.Active,
		HasSecret: strings.TrimSpace(string(r.Secret)) != "", HasAPIKey: strings.TrimSpace(string(r.APIKey)) != "",
		Fingerprint: r.Fingerprint, SetAt: r.SetAt, ReadAt: r.ReadAt,
	}
	if r.PreviousAccepted() {
		one.PreviousUntil = r.PreviousExpiresAt
	}
	return one
}

// SetSecret is "ops secrets set", or "rotate" if there is one.
func (d *adminDesk) SetSecret(ctx context.Context, who string, s admin.NewSecret) (admin.SecretSet, error) {
	if len(d.ring.Fingerprints()) == 0 {
		return admin.SecretSet{}, admin.Refusal{Why: errors.New("PAYMENT_CONFIG_ENC_KEY is missing here: no secret is stored in the clear")}
	}
	if err := checkSigningSecret(s.Secret); err != nil {
		return admin.SecretSet{}, admin.Refusal{Why: err}
	}
	r, err := d.restaurant(ctx, s.RestaurantID)
	if err != nil {
		return admin.SecretSet{}, err
	}
	begun := d.by(who, "set secret")
	p := &storing{in: secretInput{overlap: s.Overlap}, ring: d.ring, r: r, plain: secret.Text(s.Secret),
		answer: storedSecret{written: begun, readAt: r.ReadAt}}
	if err := p.plan(ctx, d.db); err != nil {
		return admin.SecretSet{}, err
	}
	if p.changes() {
		if err := p.commit(ctx, d.db); errors.Is(err, postgres.ErrChanged) {
			return admin.SecretSet{}, admin.Refusal{Why: errors.New("somebody else has changed it meanwhile: look at it again")}
		} else if err != nil {
			return admin.SecretSet{}, err
		}
	}
	set := admin.SecretSet{Fingerprint: p.answer.Secret.Fingerprint, Unchanged: p.answer.Unchanged, Warnings: p.answer.Warnings}
	if k := p.answer.Kept; k != nil && k.until.After(p.answer.readAt) {
		set.KeptUntil = &k.until
	} else if k != nil {
		set.Ended = true
	}
	return set, nil
}

// TestEvent makes an event that changes nothing, signed with the secret that
// the restaurant has now.
func (d *adminDesk) TestEvent(ctx context.Context, restaurantID string) (admin.Signed, error) {
	r, err := d.restaurant(ctx, restaurantID)
	if err != nil {
		return admin.Signed{}, err
	}
	if r.Secret == "" {
		return admin.Signed{}, admin.Refusal{Why: errors.New("there is no secret to sign with")}
	}
	plain, err := d.ring.Open(string(r.Secret), r.ConfigID)
	if err != nil {
		return admin.Signed{}, admin.Refusal{Why: fmt.Errorf("the stored secret can't be opened: %w", err)}
	}
	now := time.Now()
	id := "evt_test_" + strings.ToLower(rand.Text()[:16])
	live := r.Livemode != nil && *r.Livemode
	body, err := json.Marshal(map[string]any{
		"id": id, "object": "event", "api_version": "2023-10-16", "created": now.Unix(), "livemode": live, "type": event.TestType,
		"pending_webhooks": 1, "request": nil,
		"data": map[string]any{"object": map[string]any{"id": "test_" + id, "object": event.TestType, "livemode": live}},
	})
	if err != nil {
		return admin.Signed{}, fmt.Errorf("making a test event: %w", err)
	}
	return admin.Signed{ID: id, Slug: r.Slug, Body: body, Signature: stripe.Sign(plain, body, now)}, nil
}

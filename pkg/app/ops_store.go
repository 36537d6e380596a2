package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// recently is how fresh the last use of an old secret must be to mean that
// its endpoint still delivers.
const recently = time.Hour

// storing is one secret on its way into a row.
type storing struct {
	in     secretInput
	ring   *secret.Ring
	r      postgres.Restaurant
	plain  secret.Text
	was    string // fingerprint of the secret before, as far as anyone knows
	answer storedSecret
}

// plan says what storing the secret will do.
func (p *storing) plan(ctx context.Context, db *postgres.DB) error {
	a, r := &p.answer, p.r
	a.RestaurantID, a.Slug, a.ConfigurationID = r.ID, r.Slug, r.ConfigID
	a.Secret = secretFacts{
		Prefix: "whsec_", Length: len(p.plain), Fingerprint: secret.Fingerprint(p.plain.Reveal()), Key: p.ring.Fingerprints()[0],
	}
	if r.ConfigID == "" {
		a.NewConfiguration = true
		r.Livemode, r.ConfigID = p.in.mode(), "to be made"
	} else if !r.Active {
		a.warn("The configuration of %s is not active: its deliveries are refused until it is.", r.Slug)
	}
	a.Mode = mode(r)
	if r.Secret == "" {
		return nil
	}
	current, openErr := p.ring.Open(string(r.Secret), r.ConfigID)
	p.was = r.Fingerprint
	switch {
	case openErr == nil:
		p.was = secret.Fingerprint(current)
	case errors.Is(openErr, secret.ErrKey):
		a.warn("No key here opens the secret that is stored now. If the services have other keys, they won't open the new one.")
	}
	if p.was == a.Secret.Fingerprint {
		// Someone who has lost the key enters the same secrets again.
		a.Unchanged = openErr == nil && !secret.IsPlain(string(r.Secret)) && !p.ring.NeedsReseal(string(r.Secret), r.ConfigID)
		a.SealedAnew = !a.Unchanged
		return p.planOverlap()
	}
	return p.planReplacing(ctx, db)
}

// planOverlap says what storing the same secret once more does to the one before
// it: somebody learns after the rotation that it has leaked, or is still needed.
// One whose time is over is not brought back.
func (p *storing) planOverlap() error {
	a, r := &p.answer, p.r
	if p.in.overlap == nil || !r.PreviousAccepted() {
		p.in.overlap = nil
		if p.in.rotate {
			return fmt.Errorf("this is the secret that %s has now (fingerprint %s): a rotation wants the one of a new endpoint", r.Slug, p.was)
		}
		return nil
	}
	until := r.ReadAt.Add(*p.in.overlap)
	a.Kept = &keptFacts{Fingerprint: p.previous(), AcceptedUntil: utc(&until), until: until}
	return nil
}

// previous is the fingerprint of the secret before the one that is stored, ""
// if nobody knows.
func (p *storing) previous() string {
	plain, err := p.ring.Open(string(p.r.Previous), p.r.ConfigID)
	if err != nil {
		return ""
	}
	return secret.Fingerprint(plain)
}

// changes reports whether there is anything to store.
func (p *storing) changes() bool { return !p.answer.Unchanged || p.answer.Kept != nil }

// planReplacing says what becomes of the secrets that are there. It foretells
// what the trigger does: a secret that has verified nothing was a slip of the
// pen, so the one before it is kept in its place.
func (p *storing) planReplacing(ctx context.Context, db *postgres.DB) error {
	a, r := &p.answer, p.r
	uses, err := db.WebhookUse(ctx, r.ID)
	if err != nil {
		return err
	}
	use, previous := uses[r.ID], p.previous()
	slip := r.PreviousAccepted() && use.CurrentUsedAt == nil
	a.Replaced = &replacedFacts{Fingerprint: p.was, SetAt: utc(r.SetAt), Accepted: !slip, age: "of unknown age"}
	if r.SetAt != nil {
		a.Replaced.age = "set " + ago(r.ReadAt, r.SetAt)
	}
	until := r.ReadAt.Add(defaultOverlap)
	if p.in.overlap != nil {
		until = r.ReadAt.Add(*p.in.overlap)
	} else if slip {
		until = *r.PreviousExpiresAt
	}
	a.Kept = &keptFacts{Fingerprint: p.was, AcceptedUntil: utc(&until), until: until}
	if slip {
		a.Kept.Fingerprint = previous
	}
	switch {
	case previous == a.Secret.Fingerprint && r.PreviousAccepted():
		a.warn("This is the previous secret again.")
	case r.PreviousAccepted() && !slip:
		a.warn("The last rotation is not over: the secret before this one, accepted for another %s and %s, is refused at once.",
			left(r.PreviousExpiresAt.Sub(r.ReadAt)), lastUse(r, use))
	}
	return nil
}

// tellKept says which secret the database has kept, whatever was foretold: since
// then the current one may have verified its first delivery.
func (p *storing) tellKept(kept postgres.Kept) {
	a := &p.answer
	a.Replaced.Accepted = kept.Fingerprint == p.r.Fingerprint
	a.Kept.Fingerprint = kept.Fingerprint
	if a.Replaced.Accepted {
		a.Kept.Fingerprint = p.was // what the secret itself says goes before what is written beside it
	}
}

// commit stores the secret.
func (p *storing) commit(ctx context.Context, db *postgres.DB) error {
	a := &p.answer
	if a.NewConfiguration {
		a.ConfigurationID = newID("cfg")
	}
	sealed, err := p.ring.Seal(p.plain.Reveal(), a.ConfigurationID)
	if err != nil {
		return fmt.Errorf("sealing the secret: %w", err)
	}
	kept, err := db.StoreSecret(ctx, a.by(), postgres.SecretChange{
		ConfigID: a.ConfigurationID, RestaurantID: p.r.ID, NewConfig: a.NewConfiguration, Livemode: p.in.mode(),
		Sealed: sealed, Fingerprint: a.Secret.Fingerprint, WasFingerprint: p.r.Fingerprint, WasSetAt: p.r.SetAt,
		Overlap: p.in.overlap,
	})
	if err != nil {
		return err
	}
	if a.Kept != nil && kept.ExpiresAt != nil {
		a.Kept.until, a.Kept.AcceptedUntil, a.readAt = *kept.ExpiresAt, utc(kept.ExpiresAt), kept.ReadAt
		if a.Replaced != nil {
			p.tellKept(kept)
		}
	}
	return nil
}

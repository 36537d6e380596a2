package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

const (
	defaultOverlap = 72 * time.Hour // the database's own, for any write
	maxOverlap     = 30 * 24 * time.Hour
)

func (o *ops) secrets() *cobra.Command {
	return o.group("secrets", "Store, rotate, check and re-encrypt signing secrets and API keys",
		"Signing secrets: those with which Stripe signs what it delivers. They are sealed\n"+
			"under the first key of PAYMENT_CONFIG_ENC_KEY; every key there opens them. The\n"+
			"services use a new secret at once, without a restart.\n\n"+
			"A rotation, from the first step to the last:\n"+
			"  1. add a second endpoint with the same address in Stripe's Dashboard\n"+
			"  2. ops secrets rotate RESTAURANT --commit     both secrets are accepted now\n"+
			"  3. ops secrets check RESTAURANT               the new one matches\n"+
			"  4. delete the old endpoint in the Dashboard\n"+
			"  5. ops secrets revoke-previous RESTAURANT --commit, or let it expire",
		o.setSecret(), o.rotateSecret(), o.revokePrevious(), o.dueSecrets(), o.resealSecrets(), o.checkSecrets(), o.setAPIKey())
}

// one finds the restaurant that an operator named.
func one(ctx context.Context, db *postgres.DB, name string) (postgres.Restaurant, error) {
	found, err := db.FindRestaurants(ctx, name)
	if name == "" {
		found = nil
	}
	switch {
	case err != nil:
		return postgres.Restaurant{}, err
	case len(found) == 0:
		return postgres.Restaurant{}, fmt.Errorf("there is no restaurant %q; see: ops restaurants list", name)
	case len(found) > 1:
		return postgres.Restaurant{}, fmt.Errorf("%q names two restaurants, one by its slug and one by its id: %s (id %s) and %s (id %s)",
			name, found[0].Slug, found[0].ID, found[1].Slug, found[1].ID)
	}
	return found[0], nil
}

// slugs is what all restaurants are named by, by their ids.
func slugs(ctx context.Context, db *postgres.DB) (map[string]string, error) {
	all, err := db.FindRestaurants(ctx, "")
	named := make(map[string]string, len(all))
	for _, r := range all {
		named[r.ID] = r.Slug
	}
	return named, err
}

// storedSecret is the answer to "secrets set" and "secrets rotate".
type storedSecret struct {
	written
	RestaurantID     string         `json:"restaurantId"`
	Slug             string         `json:"slug"`
	ConfigurationID  string         `json:"configurationId,omitempty"`
	NewConfiguration bool           `json:"newConfiguration"`
	Mode             string         `json:"mode"`
	Secret           secretFacts    `json:"secret"`
	Unchanged        bool           `json:"unchanged"` // it is stored, and sealed, already
	SealedAnew       bool           `json:"sealedAnew"`
	Replaced         *replacedFacts `json:"replaced,omitempty"`
	Kept             *keptFacts     `json:"previous,omitempty"`

	readAt time.Time
}

// secretFacts tell secrets apart, and tell none.
type secretFacts struct {
	Prefix      string `json:"prefix"`
	Length      int    `json:"length"`
	Fingerprint string `json:"fingerprint"`
	Key         string `json:"sealedUnderKey"` // the key's fingerprint
}

func (f secretFacts) String() string {
	return fmt.Sprintf("%s…, %d characters, fingerprint %s", f.Prefix, f.Length, f.Fingerprint)
}

// replacedFacts is the secret before.
type replacedFacts struct {
	Fingerprint string     `json:"fingerprint,omitempty"` // empty if nobody knows
	SetAt       *time.Time `json:"setAt,omitempty"`
	Accepted    bool       `json:"accepted"` // during the overlap
	age         string
}

// keptFacts is the secret that is accepted beside the new one.
type keptFacts struct {
	Fingerprint   string     `json:"fingerprint,omitempty"`
	AcceptedUntil *time.Time `json:"acceptedUntil"`
	until         time.Time  // the same, unrounded
}

// secretInput is the flags of the two commands that take a secret.
type secretInput struct {
	writing
	stdin, live, rotate bool
	overlap             *time.Duration // nil: as the database has it
}

// mode is that of a configuration to be made. Test mode is nothing to guess:
// the events of live mode would be refused.
func (in secretInput) mode() *bool {
	if in.live {
		return &in.live
	}
	return nil
}

func (o *ops) setSecret() *cobra.Command {
	var in secretInput
	c := &cobra.Command{
		Use: "set RESTAURANT", Short: "Store a restaurant's secret, the first or another", Args: takes("RESTAURANT"),
		Long: "Stores the signing secret of a restaurant, named by its slug or id. The secret\n" +
			"is asked for on a hidden prompt, or read from a pipe or file with --stdin. A\n" +
			"secret that was there before stays accepted for 72 hours. One that has verified\n" +
			"nothing is taken for a slip of the pen: the one before it is kept instead.",
		Example: "  ops secrets set trattoria-da-marco --commit\n" +
			"  ops secrets set trattoria-da-marco --stdin --commit < secret.txt",
		RunE: func(c *cobra.Command, args []string) error { return o.store(c, args[0], in) },
	}
	in.flags(c)
	c.Flags().BoolVar(&in.stdin, "stdin", false, "read the secret from a pipe or a file, not from a prompt")
	c.Flags().BoolVar(&in.live, "live", false, "make a missing configuration for live mode")
	return c
}

func (o *ops) rotateSecret() *cobra.Command {
	in := secretInput{rotate: true}
	overlap := defaultOverlap
	c := &cobra.Command{
		Use: "rotate RESTAURANT", Short: "Replace a secret by that of a new endpoint", Args: takes("RESTAURANT"),
		Long: "Replaces the signing secret of a restaurant that has one. Both are accepted\n" +
			"during the overlap, so that the old endpoint can deliver until you delete it.\n" +
			"With --overlap 0 the old one is refused at once: do that if it has leaked. With\n" +
			"the secret that is stored already, --overlap says how long the one before is\n" +
			"accepted from now on.",
		Example: "  ops secrets rotate trattoria-da-marco --commit\n" +
			"  ops secrets rotate da-marco --overlap 0 --stdin --commit < secret.txt",
		RunE: func(c *cobra.Command, args []string) error {
			if overlap < 0 || overlap > maxOverlap {
				return misuse("--overlap: want 0 to 720h, which is 30 days")
			}
			if c.Flags().Changed("overlap") {
				in.overlap = &overlap
			}
			return o.store(c, args[0], in)
		},
	}
	in.flags(c)
	c.Flags().BoolVar(&in.stdin, "stdin", false, "read the secret from a pipe or a file, not from a prompt")
	c.Flags().DurationVar(&overlap, "overlap", defaultOverlap, "how long the old one stays accepted, up to 720h")
	return c
}

func (o *ops) store(c *cobra.Command, name string, in secretInput) error {
	begun, err := o.begin(c, in.writing)
	if err != nil {
		return err
	}
	return o.sealingVault(c.Context(), func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
		r, err := one(ctx, db, name)
		if err != nil {
			return err
		}
		// What can't be done is said before anyone is asked for a secret.
		if in.rotate && r.Secret == "" {
			return fmt.Errorf("%s has no secret to rotate; store its first with: ops secrets set %s", r.Slug, r.Slug)
		}
		if r.ConfigID != "" && in.live && mode(r) != "live" {
			return fmt.Errorf("%s has a configuration already (mode: %s); --live only says how to make one", r.Slug, mode(r))
		}
		plain, err := o.readSecret(ctx, in.stdin, "the signing secret of "+r.Slug, checkSigningSecret)
		if err != nil {
			return err
		}
		p := &storing{in: in, ring: ring, r: r, plain: plain, answer: storedSecret{written: begun, readAt: r.ReadAt}}
		if err := p.plan(ctx, db); err != nil {
			return err
		}
		if in.commit && p.changes() {
			if err := o.commitSecret(ctx, db, p); err != nil {
				return err
			}
		}
		return o.show(c.OutOrStdout(), p.answer, p.answer.table)
	})
}

// commitSecret lets who typed a secret blindly compare it, then stores it.
func (o *ops) commitSecret(ctx context.Context, db *postgres.DB, p *storing) error {
	if !p.in.stdin {
		fmt.Fprintf(o.process.Stderr, "Read %s.\n", p.answer.Secret)
		p.answer.writeWarnings(o.process.Stderr)
		p.answer.warned = true
		yes, err := o.confirm(ctx, fmt.Sprintf("Store it for %s?", p.r.Slug))
		if err != nil {
			return err
		}
		if !yes {
			return errors.New("not confirmed; nothing was changed")
		}
	}
	return p.commit(ctx, db)
}

func (s storedSecret) table(w io.Writer) error {
	switch {
	case s.Unchanged && s.Kept != nil:
		writeHanging(w, "", fmt.Sprintf("%s has this secret already. %s how long the one before is accepted:", s.Slug, s.verb("change", "Changed")))
	case s.Unchanged:
		writeHanging(w, "", fmt.Sprintf("%s has this secret already, sealed under the first key:", s.Slug))
		writeFacts(w, []fact{{"secret", s.Secret.String()}})
		return nil
	case s.SealedAnew:
		writeHanging(w, "", fmt.Sprintf("%s the same secret of %s anew:", s.verb("seal", "Sealed"), s.Slug))
	default:
		writeHanging(w, "", fmt.Sprintf("%s the signing secret of %s:", s.verb("store", "Stored"), s.Slug))
	}
	facts := []fact{{"restaurant", s.RestaurantID}}
	if s.NewConfiguration {
		facts = append(facts, fact{"configuration", "a new one, mode " + s.Mode})
	}
	facts = append(facts, fact{"secret", s.Secret.String()}, fact{"sealed", "under key " + s.Secret.Key})
	if r := s.Replaced; r != nil {
		text := fmt.Sprintf("fingerprint %s, %s", cmp.Or(r.Fingerprint, "unknown"), r.age)
		if !r.Accepted {
			text += "; it has verified nothing and is dropped"
		}
		facts = append(facts, fact{"replaces", text})
	}
	if s.Kept != nil {
		facts = append(facts, fact{"overlap", s.overlap()})
	}
	writeFacts(w, append(facts, fact{"by", s.Actor}))
	return s.end(w)
}

func (s storedSecret) overlap() string {
	which, rest := "the old one", s.Kept.until.Sub(s.readAt)
	if s.Replaced != nil && !s.Replaced.Accepted {
		which = "the one before it, fingerprint " + cmp.Or(s.Kept.Fingerprint, "unknown") + ","
	}
	if rest <= 0 {
		return "none: " + strings.TrimSuffix(which, ",") + " is refused at once"
	}
	return fmt.Sprintf("%s stays accepted for %s, until %s", which, left(rest), clockTime(s.Kept.until))
}

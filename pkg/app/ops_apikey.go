package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// storedKey is the answer to "secrets set-api-key".
type storedKey struct {
	written
	RestaurantID    string      `json:"restaurantId"`
	Slug            string      `json:"slug"`
	ConfigurationID string      `json:"configurationId"`
	Mode            string      `json:"mode"`
	Key             secretFacts `json:"key"`
	Replaces        string      `json:"replaces,omitempty"` // fingerprint of the key before, "unknown" if it can't be opened
	Unchanged       bool        `json:"unchanged"`          // it is stored, and sealed, already
}

func (o *ops) setAPIKey() *cobra.Command {
	var w writing
	var stdin bool
	c := &cobra.Command{
		Use: "set-api-key RESTAURANT", Short: "Store the key with which Stripe is asked", Args: takes("RESTAURANT"),
		Long: "Stores the API key of a restaurant, named by its slug or id, sealed. With it the\n" +
			"workers ask Stripe for events that never came, for the payments of orders that\n" +
			"stay unpaid, and for what thin events are about; without it nothing is asked.\n\n" +
			"A restricted key is enough (rk_…): read access to Events, Checkout Sessions,\n" +
			"PaymentIntents, and Charges with Refunds and Disputes. The key is asked for on a\n" +
			"hidden prompt, or read from a pipe or file with --stdin. It is used at once.",
		Example: "  ops secrets set-api-key trattoria-da-marco --commit\n" +
			"  ops secrets set-api-key trattoria-da-marco --stdin --commit < key.txt",
		RunE: func(c *cobra.Command, args []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.sealingVault(c.Context(), func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
				answer, err := o.storeAPIKey(ctx, db, ring, args[0], stdin, storedKey{written: begun})
				if err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), answer, answer.table)
			})
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&stdin, "stdin", false, "read the key from a pipe or a file, not from a prompt")
	return c
}

func (o *ops) storeAPIKey(ctx context.Context, db *postgres.DB, ring *secret.Ring, name string, stdin bool, a storedKey) (storedKey, error) {
	r, err := one(ctx, db, name)
	if err != nil {
		return a, err
	}
	if r.ConfigID == "" {
		return a, fmt.Errorf("%s has no configuration yet; store its signing secret first: ops secrets set %s", r.Slug, r.Slug)
	}
	plain, err := o.readSecret(ctx, stdin, "the API key of "+r.Slug, checkAPIKey)
	if err != nil {
		return a, err
	}
	if err := fitsMode(plain.Reveal(), r.Livemode); err != nil {
		return a, misuse("%w", err)
	}
	prefix := apiKeyPrefix(plain.Reveal())
	a.RestaurantID, a.Slug, a.ConfigurationID, a.Mode = r.ID, r.Slug, r.ConfigID, modeName(apiKeyModes[prefix])
	a.Key = secretFacts{Prefix: prefix, Length: len(plain), Fingerprint: secret.Fingerprint(plain.Reveal()), Key: ring.Fingerprints()[0]}
	if !r.Active {
		a.warn("The configuration of %s is not active: Stripe is not asked until it is.", r.Slug)
	}
	if r.APIKey != "" {
		a.Replaces = "unknown"
		if before, err := ring.Open(string(r.APIKey), r.ConfigID); err == nil {
			a.Replaces = secret.Fingerprint(before)
			a.Unchanged = before == plain.Reveal() && !secret.IsPlain(string(r.APIKey)) && !ring.NeedsReseal(string(r.APIKey), r.ConfigID)
		} else {
			a.warn("No key here opens the API key that is stored now. If the services have other keys, they won't open the new one.")
		}
	}
	if !a.Committed || a.Unchanged {
		return a, nil
	}
	if !stdin {
		fmt.Fprintf(o.process.Stderr, "Read %s.\n", a.Key)
		a.writeWarnings(o.process.Stderr)
		a.warned = true
		yes, err := o.confirm(ctx, fmt.Sprintf("Store it for %s?", r.Slug))
		if err != nil {
			return a, err
		}
		if !yes {
			return a, errors.New("not confirmed; nothing was changed")
		}
	}
	sealed, err := ring.Seal(plain.Reveal(), r.ConfigID)
	if err != nil {
		return a, fmt.Errorf("sealing the API key: %w", err)
	}
	return a, db.StoreAPIKey(ctx, a.by(), r.ConfigID, r.ID, sealed, secret.Fingerprint(string(r.APIKey)))
}

func (a storedKey) table(w io.Writer) error {
	if a.Unchanged {
		writeHanging(w, "", fmt.Sprintf("%s has this API key already, sealed under the first key:", a.Slug))
		writeFacts(w, []fact{{"key", a.Key.String()}})
		return nil
	}
	writeHanging(w, "", fmt.Sprintf("%s the API key of %s:", a.verb("store", "Stored"), a.Slug))
	facts := []fact{{"restaurant", a.RestaurantID}, {"mode", a.Mode}, {"key", a.Key.String()}, {"sealed", "under key " + a.Key.Key}}
	if a.Replaces != "" {
		facts = append(facts, fact{"replaces", "fingerprint " + a.Replaces})
	}
	writeFacts(w, append(facts, fact{"by", a.Actor}))
	return a.end(w)
}

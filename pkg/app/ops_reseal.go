package app

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// progressEvery is how many rows go by between two signs of life.
const progressEvery = 250

// resealed is the answer to "secrets reseal".
type resealed struct {
	written
	Key            string         `json:"key"` // fingerprint of the one that seals
	Configurations int            `json:"configurations"`
	Changed        int            `json:"changed"`
	Values         map[string]int `json:"values"` // sealed anew, by column
	Problems       []sealProblem  `json:"problems"`
}

// sealProblem is a value that stays as it is, since nobody can read it.
type sealProblem struct {
	ConfigurationID string `json:"configurationId"`
	RestaurantID    string `json:"restaurantId"`
	Slug            string `json:"slug"`
	Column          string `json:"column"`
	Problem         string `json:"problem"`
}

func (o *ops) resealSecrets() *cobra.Command {
	var w writing
	c := &cobra.Command{
		Use: "reseal", Short: "Seal every stored secret under the first key", Args: takes(),
		Long: "Seals every signing secret and API key that is stored in the clear, or under\n" +
			"another key than the first of PAYMENT_CONFIG_ENC_KEY. Services may go on\n" +
			"running.\n\n" +
			"To change the key: put the new one before the old one in PAYMENT_CONFIG_ENC_KEY\n" +
			"everywhere, restart the services, reseal, then take the old one out. A value\n" +
			"that no key opens is reported and left alone; the exit code is 1 then.",
		Example: "  ops secrets reseal\n  ops secrets reseal --commit",
		RunE: func(c *cobra.Command, _ []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.sealingVault(c.Context(), func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
				r := &resealing{ring: ring, answer: resealed{
					written: begun, Key: ring.Fingerprints()[0], Problems: []sealProblem{},
					Values: map[string]int{"webhookSecret": 0, "previousWebhookSecret": 0, "secretKey": 0},
				}}
				if err := r.run(ctx, db, o.process.Stderr); err != nil {
					return err
				}
				if err := o.show(c.OutOrStdout(), r.answer, r.answer.table); err != nil {
					return err
				}
				if n := len(r.answer.Problems); n > 0 {
					return fmt.Errorf("%s can't be sealed anew", plural(n, "value"))
				}
				return nil
			})
		},
	}
	w.flags(c)
	return c
}

type resealing struct {
	ring   *secret.Ring
	answer resealed
}

func (r *resealing) run(ctx context.Context, db *postgres.DB, progress io.Writer) error {
	all, err := db.ConfigSecrets(ctx)
	if err != nil {
		return err
	}
	r.answer.Configurations = len(all)
	for i, stored := range all {
		if i > 0 && i%progressEvery == 0 && r.answer.Committed {
			fmt.Fprintf(progress, "%d of %d configurations looked at\n", i, len(all))
		}
		_, columns, problems := r.seal(stored)
		if len(columns) > 0 && r.answer.Committed {
			// Read again under the row's lock: someone may store another one now.
			err := db.Reseal(ctx, r.answer.by(), stored.ConfigID, r.answer.Key, func(locked postgres.ConfigSecrets) (next postgres.ConfigSecrets, changed []string) {
				next, columns, problems = r.seal(locked)
				return next, columns
			})
			if err != nil {
				return fmt.Errorf("after %d of %d configurations: %w", i, len(all), err)
			}
		}
		if len(columns) > 0 {
			r.answer.Changed++
		}
		for _, column := range columns {
			r.answer.Values[column]++
		}
		r.answer.Problems = append(r.answer.Problems, problems...)
	}
	return nil
}

// seal seals what needs it, and names the columns where that was the case.
func (r *resealing) seal(s postgres.ConfigSecrets) (next postgres.ConfigSecrets, columns []string, problems []sealProblem) {
	next = s
	for _, v := range []struct {
		column string
		value  *postgres.Stored
	}{{"webhookSecret", &next.Secret}, {"previousWebhookSecret", &next.Previous}, {"secretKey", &next.APIKey}} {
		stored := string(*v.value)
		if strings.TrimSpace(stored) == "" {
			continue
		}
		plain, err := r.ring.Open(stored, s.ConfigID)
		if err == nil && !r.ring.NeedsReseal(stored, s.ConfigID) {
			continue
		}
		var sealed string
		if err == nil {
			sealed, err = r.ring.Seal(plain, s.ConfigID)
		}
		if err != nil {
			problems = append(problems, sealProblem{s.ConfigID, s.RestaurantID, s.Slug, v.column, err.Error()})
			continue
		}
		*v.value = postgres.Stored(sealed)
		columns = append(columns, v.column)
	}
	return next, columns, problems
}

func (a resealed) table(w io.Writer) error {
	total := 0
	for _, n := range a.Values {
		total += n
	}
	if total == 0 {
		fmt.Fprintf(w, "Nothing to seal: %s, key %s.\n", plural(a.Configurations, "configuration"), a.Key)
	} else {
		fmt.Fprintf(w, "%s %s in %d of %s under key %s:\n", a.verb("seal", "Sealed"), plural(total, "value"),
			a.Changed, plural(a.Configurations, "configuration"), a.Key)
		var facts []fact
		for _, column := range []string{"webhookSecret", "previousWebhookSecret", "secretKey"} {
			facts = append(facts, fact{column, fmt.Sprint(a.Values[column])})
		}
		writeFacts(w, facts)
	}
	if len(a.Problems) > 0 {
		fmt.Fprintf(w, "\nNot sealed, since it can't be opened (%s):\n", plural(len(a.Problems), "value"))
		for _, p := range a.Problems {
			writeHanging(w, "  ", fmt.Sprintf("configuration %s (%s), %s: %s", p.ConfigurationID, p.Slug, p.Column, p.Problem))
		}
	}
	if total == 0 {
		return nil
	}
	return a.end(w)
}

package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// maxClockDifference is from when on a clock is a fault. Signatures may be
// 300 s off, so that there is time to mend it before deliveries are refused.
const maxClockDifference = 5 * time.Second

// checked is the answer to "secrets check".
type checked struct {
	CheckedAt   time.Time           `json:"checkedAt"` // by the database's clock
	Clock       clockCheck          `json:"clock"`
	Keys        []string            `json:"keys"` // fingerprints, the sealing one first
	Restaurants []checkedRestaurant `json:"restaurants"`
	Faults      int                 `json:"faults"`
	single      bool
}

// clockCheck compares this machine's clock with the database's.
type clockCheck struct {
	Difference float64 `json:"differenceSeconds"` // positive: ours is ahead
	Faults     []fault `json:"faults"`
}

// fault is something that is wrong, and what to do about it.
type fault struct {
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

func (o *ops) checkSecrets() *cobra.Command {
	return &cobra.Command{
		Use: "check [RESTAURANT]", Short: "Check that the stored secrets can verify deliveries",
		Long: "Opens the stored secrets of a restaurant, or of all, and checks their format and\n" +
			"how they are sealed; signs a delivery with each and verifies it; compares this\n" +
			"machine's clock with the database's. It says when secrets were last used, which\n" +
			"faults there are, and what to do about each. It changes nothing and prints no\n" +
			"secret. The exit code is 1 if there is a fault.\n\n" +
			"For one restaurant it prints all that it knows. For all of them it prints a line\n" +
			"each, and the faults: MODE is off if the configuration is not active, ACCEPTED\n" +
			"and REFUSED are how long ago a delivery last was, with a * if it was signed with\n" +
			"the previous secret. With -o json it prints everything.",
		Example: "  ops secrets check\n  ops secrets check trattoria-da-marco",
		Args:    mayTake("RESTAURANT"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.vault(c.Context(), func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
				answer, err := o.check(ctx, db, ring, args)
				if err != nil {
					return err
				}
				if err := o.show(c.OutOrStdout(), answer, answer.table); err != nil {
					return err
				}
				if answer.Faults > 0 {
					return fmt.Errorf("%s found", plural(answer.Faults, "fault"))
				}
				return nil
			})
		},
	}
}

func (o *ops) check(ctx context.Context, db *postgres.DB, ring *secret.Ring, names []string) (checked, error) {
	a := checked{Keys: ring.Fingerprints(), Restaurants: []checkedRestaurant{}, single: len(names) > 0}
	var all []postgres.Restaurant
	id := ""
	if a.single {
		r, err := one(ctx, db, names[0])
		if err != nil {
			return a, err
		}
		all, id = []postgres.Restaurant{r}, r.ID
	} else {
		var err error
		if all, err = db.FindRestaurants(ctx, ""); err != nil {
			return a, err
		}
	}
	uses, err := db.WebhookUse(ctx, id)
	if err != nil {
		return a, err
	}
	before := o.now()
	theirs, err := db.Clock(ctx)
	if err != nil {
		return a, err
	}
	a.CheckedAt = *utc(&theirs)
	a.Clock = compareClocks(before, o.now(), theirs)
	a.Faults = len(a.Clock.Faults)
	for _, r := range all {
		a.Restaurants = append(a.Restaurants, checkRestaurant(r, uses[r.ID], ring, o.now()))
	}
	if !a.single {
		compareSecrets(a.Restaurants)
	}
	for _, c := range a.Restaurants {
		a.Faults += len(c.Faults)
	}
	return a, nil
}

// compareSecrets finds restaurants with the same secret. It can't say whose an
// event is then: what names nothing that is known, as a refund that overtakes its
// charge, is taken for one of them, and the other never hears of it. Restaurants
// that each have a Connect account are told apart by that.
func compareSecrets(all []checkedRestaurant) {
	first := map[string]*checkedRestaurant{}
	for i := range all {
		c := &all[i]
		if !c.Active || !c.Secret.Verifies {
			continue
		}
		other := first[c.Secret.Fingerprint]
		if other == nil {
			first[c.Secret.Fingerprint] = c
			continue
		}
		if a, b := c.row.Account, other.row.Account; a == "" || b == "" || a == b {
			c.Faults = append(c.Faults, fault{
				fmt.Sprintf("the secret is that of %s, too: whose an event is can't always be told", other.Slug),
				"make an endpoint of its own in Stripe's Dashboard, with the slug in its URL, then: ops secrets rotate " + c.Slug + " --commit",
			})
		}
	}
}

// compareClocks takes our time from before and after theirs was read, and
// assumes that it was read halfway.
func compareClocks(before, after, theirs time.Time) clockCheck {
	d := before.Add(after.Sub(before) / 2).Sub(theirs)
	c := clockCheck{Difference: d.Round(time.Millisecond).Seconds(), Faults: []fault{}}
	// What the way there and back took can't be told from a wrong clock.
	if d.Abs() <= maxClockDifference+after.Sub(before)/2 {
		return c
	}
	which := "ahead of"
	if d < 0 {
		which = "behind"
	}
	c.Faults = append(c.Faults, fault{
		fmt.Sprintf("this machine's clock is %s %s the database's", d.Abs().Round(time.Second), which),
		"check NTP on both (timedatectl): beyond 5 min, deliveries are refused as too old or from the future",
	})
	return c
}

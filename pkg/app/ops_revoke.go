package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
)

// revokedPrevious is the answer to "secrets revoke-previous".
type revokedPrevious struct {
	written
	RestaurantID    string     `json:"restaurantId"`
	Slug            string     `json:"slug"`
	ConfigurationID string     `json:"configurationId"`
	AcceptedUntil   *time.Time `json:"acceptedUntil,omitempty"` // had it not been revoked
	LastUsedAt      *time.Time `json:"lastUsedAt,omitempty"`
	accepted, use   string
}

func (o *ops) revokePrevious() *cobra.Command {
	var w writing
	c := &cobra.Command{
		Use: "revoke-previous RESTAURANT", Short: "End a rotation: forget the secret before the current one", Args: takes("RESTAURANT"),
		Long: "Forgets the secret that the last rotation has replaced, before its overlap is\n" +
			"over, and says when it was last used. Delete the old endpoint in Stripe's\n" +
			"Dashboard first: what it delivers afterwards is refused.",
		Example: "  ops secrets revoke-previous trattoria-da-marco\n" +
			"  ops secrets revoke-previous trattoria-da-marco --commit",
		RunE: func(c *cobra.Command, args []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				answer, err := revoke(ctx, db, begun, args[0])
				if err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), answer, answer.table)
			})
		},
	}
	w.flags(c)
	return c
}

func revoke(ctx context.Context, db *postgres.DB, begun written, name string) (revokedPrevious, error) {
	r, err := one(ctx, db, name)
	if err != nil {
		return revokedPrevious{}, err
	}
	if r.Previous == "" {
		return revokedPrevious{}, fmt.Errorf("%s has no previous secret", r.Slug)
	}
	uses, err := db.WebhookUse(ctx, r.ID)
	if err != nil {
		return revokedPrevious{}, err
	}
	used := uses[r.ID].PreviousUsedAt
	a := revokedPrevious{
		written: begun, RestaurantID: r.ID, Slug: r.Slug, ConfigurationID: r.ConfigID,
		AcceptedUntil: utc(r.PreviousExpiresAt), LastUsedAt: utc(used),
		accepted: "not any more: its overlap is over", use: revokeAdvice(r, uses[r.ID]),
	}
	if r.PreviousAccepted() {
		a.accepted = fmt.Sprintf("for another %s, until %s", left(r.PreviousExpiresAt.Sub(r.ReadAt)), clockTime(*r.PreviousExpiresAt))
	}
	switch {
	case used != nil && r.ReadAt.Sub(*used) < recently:
		a.warn("Its endpoint seems to deliver still. Delete it in Stripe's Dashboard, or its deliveries are refused.")
	case uses[r.ID].CurrentUsedAt == nil && r.PreviousAccepted():
		a.warn("The current secret has verified nothing yet. If it is not the one that Stripe signs with, every delivery is refused.")
	}
	if a.Committed {
		a.use = lastUse(r, uses[r.ID]) // advice comes too late
		err = db.RevokePrevious(ctx, a.by(), r)
	}
	return a, err
}

// lastUse is when the previous secret was last used.
func lastUse(r postgres.Restaurant, use postgres.Use) string {
	switch used := use.PreviousUsedAt; {
	case used == nil:
		return "never used since the rotation"
	case r.ReadAt.Sub(*used) < recently:
		return "still in use " + ago(r.ReadAt, used)
	default:
		return "last used " + ago(r.ReadAt, used)
	}
}

// revokeAdvice is lastUse, and what to do about it.
func revokeAdvice(r postgres.Restaurant, use postgres.Use) string {
	text := lastUse(r, use)
	switch {
	case use.PreviousUsedAt != nil && r.ReadAt.Sub(*use.PreviousUsedAt) < recently:
		return text + ": keep it"
	case use.CurrentUsedAt == nil:
		return text + "; the new one has verified nothing yet: keep it"
	}
	return text + ": safe to revoke"
}

func (a revokedPrevious) table(w io.Writer) error {
	writeHanging(w, "", fmt.Sprintf("%s the previous secret of %s:", a.verb("forget", "Forgot"), a.Slug))
	label := "accepted"
	if a.Committed {
		label = "was accepted"
	}
	writeFacts(w, []fact{{"restaurant", a.RestaurantID}, {label, a.accepted}, {"use", a.use}, {"by", a.Actor}})
	return a.end(w)
}

// dueSecret is a secret that is old enough for a rotation.
type dueSecret struct {
	RestaurantID string     `json:"restaurantId"`
	Slug         string     `json:"slug"`
	Mode         string     `json:"mode"`
	SetAt        *time.Time `json:"secretSetAt,omitempty"`
	AgeDays      int        `json:"ageDays"`
}

const maxDays = 36_500 // a century

func (o *ops) dueSecrets() *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "due", Short: "List the secrets that are due for a rotation", Args: takes(),
		Long: "Lists the active restaurants whose signing secret is as old as --days or older,\n" +
			"the oldest first. Exits with 1 if there is one.",
		Example: "  ops secrets due\n  ops secrets due --days 60 -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 0 || days > maxDays {
				return misuse("--days: want 0 to %d", maxDays)
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				all, err := db.FindRestaurants(ctx, "")
				if err != nil {
					return err
				}
				due := dueAfter(all, days)
				err = o.show(c.OutOrStdout(), due, func(w io.Writer) error { return writeDue(w, due, days) })
				if err == nil && len(due) > 0 {
					err = fmt.Errorf("%s due for a rotation", plural(len(due), "secret"))
				}
				return err
			})
		},
	}
	c.Flags().IntVar(&days, "days", 90, "how old a secret may get, in days")
	return c
}

func dueAfter(all []postgres.Restaurant, days int) []dueSecret {
	due := []dueSecret{}
	for _, r := range all {
		if !r.Active || r.Secret == "" {
			continue
		}
		d := dueSecret{RestaurantID: r.ID, Slug: r.Slug, Mode: mode(r), SetAt: utc(r.SetAt)}
		if r.SetAt != nil {
			d.AgeDays = int(r.ReadAt.Sub(*r.SetAt) / (24 * time.Hour))
		}
		if r.SetAt == nil || d.AgeDays >= days {
			due = append(due, d)
		}
	}
	slices.SortStableFunc(due, func(a, b dueSecret) int {
		return zeroed(a.SetAt).Compare(zeroed(b.SetAt))
	})
	return due
}

// zeroed is a time for sorting: an unknown one is the oldest.
func zeroed(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func writeDue(w io.Writer, due []dueSecret, days int) error {
	if len(due) == 0 {
		_, err := fmt.Fprintf(w, "No secret is %d days old.\n", days)
		return err
	}
	t := table{columns: []string{"RESTAURANT", "MODE", "DAYS", "SET AT", "ID"}, right: []int{2}, elastic: 4}
	for _, d := range due {
		set, age := "unknown", "-"
		if d.SetAt != nil {
			set, age = clockTime(*d.SetAt), fmt.Sprint(d.AgeDays)
		}
		t.add(d.Slug, d.Mode, age, set, d.RestaurantID)
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nRotate each with: ops secrets rotate RESTAURANT --commit")
	return err
}

package app

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

func (o *ops) restaurants() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the restaurants and how their secrets are stored", Args: takes(),
		Long: "Lists the restaurants. ON is whether the configuration is active. MODE is\n" +
			"Stripe's: live, test, or unset while nobody has said; then events of both are\n" +
			"accepted. SECRET is how the signing secret is stored: sealed, plaintext, none,\n" +
			"or unknown if it is neither. AGE is since it was set. OVERLAP is how long the\n" +
			"secret before it is still accepted.",
		Example: "  ops restaurants list\n  ops restaurants list -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				all, err := db.FindRestaurants(ctx, "")
				if err != nil {
					return err
				}
				return o.showRestaurants(c.OutOrStdout(), all)
			})
		},
	}
	return o.group("restaurants", "List and create restaurants", "", list, o.createRestaurant())
}

// restaurantItem is a restaurant in a list.
type restaurantItem struct {
	ID              string     `json:"id"`
	Slug            string     `json:"slug"`
	Name            string     `json:"name"`
	ConfigurationID string     `json:"configurationId,omitempty"`
	Active          bool       `json:"active"`
	Mode            string     `json:"mode,omitempty"`
	Account         string     `json:"account,omitempty"`
	Secret          string     `json:"secret"`
	Fingerprint     string     `json:"fingerprint,omitempty"`
	SetAt           *time.Time `json:"secretSetAt,omitempty"`
	PreviousUntil   *time.Time `json:"previousAcceptedUntil,omitempty"`
}

func (o *ops) showRestaurants(w io.Writer, all []postgres.Restaurant) error {
	items := make([]restaurantItem, len(all))
	t := table{columns: []string{"SLUG", "NAME", "ON", "MODE", "SECRET", "AGE", "OVERLAP", "ID"}, elastic: 1}
	for i, r := range all {
		items[i] = restaurantItem{
			ID: r.ID, Slug: r.Slug, Name: r.Name, ConfigurationID: r.ConfigID, Active: r.Active, Mode: mode(r),
			Account: r.Account, Secret: storedAs(string(r.Secret)), Fingerprint: r.Fingerprint, SetAt: utc(r.SetAt),
		}
		active, age, overlap := "no", "-", "-"
		if r.Active {
			active = "yes"
		}
		if r.SetAt != nil {
			age = span(r.ReadAt.Sub(*r.SetAt))
		}
		if r.PreviousAccepted() {
			items[i].PreviousUntil = utc(r.PreviousExpiresAt)
			overlap = left(r.PreviousExpiresAt.Sub(r.ReadAt))
		}
		t.add(r.Slug, r.Name, active, dash(mode(r)), items[i].Secret, age, overlap, r.ID)
	}
	return o.show(w, items, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "There are no restaurants. Make one with: ops restaurants create SLUG --name NAME")
			return err
		}
		return t.write(w)
	})
}

// storedAs is how a secret is at rest, as far as that shows from outside.
func storedAs(stored string) string {
	switch {
	case strings.TrimSpace(stored) == "":
		return "none"
	case secret.IsPlain(stored):
		return "plaintext"
	case strings.HasPrefix(stored, "v1:"):
		return "sealed"
	}
	return "unknown"
}

// mode is Stripe's mode of a configuration, "" without one.
func mode(r postgres.Restaurant) string {
	switch {
	case r.ConfigID == "":
		return ""
	case r.Livemode == nil:
		return "unset" // then events of both modes are taken
	case *r.Livemode:
		return "live"
	}
	return "test"
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

var (
	slugPattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	idPattern      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	accountPattern = regexp.MustCompile(`^acct_[A-Za-z0-9]{1,58}$`)
)

const maxName = 200 // characters

// createdRestaurant is the answer to "restaurants create".
type createdRestaurant struct {
	written
	ID              string `json:"id,omitempty"` // empty while it is not made
	Slug            string `json:"slug"`
	Name            string `json:"name"`
	ConfigurationID string `json:"configurationId,omitempty"`
	Mode            string `json:"mode"`
	Account         string `json:"account,omitempty"`
	live            bool
}

func (o *ops) createRestaurant() *cobra.Command {
	var w writing
	var r createdRestaurant
	c := &cobra.Command{
		Use: "create SLUG --name NAME", Short: "Create a restaurant, and a configuration that waits for its secret", Args: takes("SLUG"),
		Long: "Creates a restaurant and its Stripe configuration. The slug is the last part of\n" +
			"its endpoint's address: /api/v1/webhooks/stripe/SLUG. Its secret is stored with\n" +
			"\"secrets set\".",
		Example: "  ops restaurants create da-marco --name \"Trattoria da Marco\" --live\n" +
			"  ops restaurants create da-marco --name \"Trattoria da Marco\" --live --commit",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if r.written, err = o.begin(c, w); err != nil {
				return err
			}
			r.Slug = args[0]
			if err := r.check(); err != nil {
				return err
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				if err := r.create(ctx, db); err != nil {
					return err
				}
				return o.show(c.OutOrStdout(), r, r.table)
			})
		},
	}
	w.flags(c)
	c.Flags().StringVar(&r.Name, "name", "", "what the restaurant is called (required)")
	c.Flags().StringVar(&r.ID, "id", "", "the id that the ordering application knows it by (default a new one)")
	c.Flags().BoolVar(&r.live, "live", false, "its secret is of Stripe's live mode (default test mode)")
	c.Flags().StringVar(&r.Account, "account", "", "its connected account, acct_…, if it has one")
	return c
}

func (r *createdRestaurant) check() error {
	r.Name = strings.TrimSpace(r.Name)
	r.Mode = mode(postgres.Restaurant{ConfigID: "-", Livemode: &r.live})
	switch {
	case !slugPattern.MatchString(r.Slug):
		return misuse("slug %q: want up to 63 of a-z, 0-9 and hyphens, none at either end", r.Slug)
	case r.Name == "":
		return misuse("--name: missing, the restaurant's name")
	case utf8.RuneCountInString(r.Name) > maxName || printable(r.Name) != r.Name:
		return misuse("--name: want up to %d printable characters", maxName)
	case r.ID != "" && !idPattern.MatchString(r.ID):
		return misuse("--id %q: want up to 64 letters, digits, dots, hyphens and underscores", r.ID)
	case r.Account != "" && !accountPattern.MatchString(r.Account):
		return misuse("--account %q: want acct_ and letters and digits", r.Account)
	}
	return nil
}

func (r *createdRestaurant) create(ctx context.Context, db *postgres.DB) error {
	// Neither may be any other restaurant's slug or id: either names one.
	for _, name := range []string{r.Slug, r.ID} {
		if name == "" {
			continue
		}
		taken, err := db.FindRestaurants(ctx, name)
		if err != nil {
			return err
		}
		if len(taken) > 0 {
			return fmt.Errorf("%q is taken: it names the restaurant %s (id %s)", name, taken[0].Slug, taken[0].ID)
		}
	}
	if !r.Committed {
		return nil
	}
	if r.ID == "" {
		r.ID = newID("rest")
	}
	r.ConfigurationID = newID("cfg")
	return db.CreateRestaurant(ctx, r.by(), postgres.NewRestaurant{
		ID: r.ID, Slug: r.Slug, Name: r.Name, ConfigID: r.ConfigurationID, Livemode: &r.live, Account: r.Account,
	})
}

func (r *createdRestaurant) table(w io.Writer) error {
	id := r.ID
	if id == "" {
		id = "a new one"
	}
	writeHanging(w, "", fmt.Sprintf("%s restaurant %s:", r.verb("create", "Created"), r.Slug))
	facts := []fact{{"name", r.Name}, {"id", id}, {"mode", r.Mode}}
	if r.Account != "" {
		facts = append(facts, fact{"account", r.Account})
	}
	writeFacts(w, append(facts,
		fact{"endpoint", "/api/v1/webhooks/stripe/" + r.Slug},
		fact{"secret", "none yet; next: ops secrets set " + r.Slug}))
	return r.end(w)
}

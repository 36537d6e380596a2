package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

func (o *ops) shopKeys() *cobra.Command {
	return o.group("apikeys", "Say which storefronts may create orders",
		"A restaurant's storefront creates orders with an API key of ours (thk_…), which\n"+
			"is told once and stored as a hash only. The restaurant's key at Stripe is\n"+
			"another matter: ops secrets set-api-key.",
		o.createShopKey(), o.listShopKeys(), o.revokeShopKey())
}

// madeShopKey is the answer to "apikeys create".
type madeShopKey struct {
	written
	ID           string `json:"id,omitempty"`
	RestaurantID string `json:"restaurantId"`
	Slug         string `json:"slug"`
	Name         string `json:"name"`
	Key          string `json:"key,omitempty"` // told this once
}

func (o *ops) createShopKey() *cobra.Command {
	var w writing
	var name string
	c := &cobra.Command{
		Use: "create RESTAURANT", Short: "Make a key for a restaurant's storefront (needs --commit)", Args: takes("RESTAURANT"),
		Long: "Makes a key with which a storefront creates orders of one restaurant, named by\n" +
			"its slug or id, and prints it: it can't be read again. A restaurant may have\n" +
			"several.",
		Example: "  ops apikeys create trattoria-da-marco --name \"web shop\" --commit",
		RunE: func(c *cobra.Command, args []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			if blank(name) || utf8.RuneCountInString(name) > maxActor || printable(name) != name {
				return misuse("--name: say what the key is for, in up to %d printable characters", maxActor)
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				r, err := one(ctx, db, args[0])
				if err != nil {
					return err
				}
				a := madeShopKey{written: begun, RestaurantID: r.ID, Slug: r.Slug, Name: name}
				if a.Committed {
					key := secret.NewShopKey()
					a.ID, a.Key = newID("key"), key.Reveal()
					k := event.ShopKey{ID: a.ID, RestaurantID: r.ID, Name: name, Prefix: secret.ShopKeyPrefix(key)}
					if err := db.CreateShopKey(ctx, a.by(), k, secret.HashShopKey(a.Key)); err != nil {
						return err
					}
				}
				return o.show(c.OutOrStdout(), a, a.table)
			})
		},
	}
	w.flags(c)
	c.Flags().StringVar(&name, "name", "", "what the key is for, such as \"web shop\"")
	return c
}

func (a madeShopKey) table(w io.Writer) error {
	writeHanging(w, "", fmt.Sprintf("%s a key of %s:", a.verb("make", "Made"), a.Slug))
	facts := []fact{{"name", a.Name}}
	if a.Committed {
		facts = append(facts, fact{"id", a.ID}, fact{"key", a.Key})
	}
	writeFacts(w, append(facts, fact{"by", a.Actor}))
	if a.Committed {
		fmt.Fprintln(w, "\nKeep the key now, with the storefront's secrets: it is not shown again.")
	}
	return a.end(w)
}

func (o *ops) listShopKeys() *cobra.Command {
	return &cobra.Command{
		Use: "list RESTAURANT", Short: "List a restaurant's keys, and those it had once", Args: takes("RESTAURANT"),
		Example: "  ops apikeys list trattoria-da-marco\n  ops apikeys list trattoria-da-marco -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				r, err := one(ctx, db, args[0])
				if err != nil {
					return err
				}
				all, err := db.ShopKeys(ctx, r.ID, "")
				if err != nil {
					return err
				}
				for i := range all {
					all[i].CreatedAt, all[i].LastUsedAt, all[i].RevokedAt = all[i].CreatedAt.UTC(), utc(all[i].LastUsedAt), utc(all[i].RevokedAt)
				}
				return o.show(c.OutOrStdout(), all, func(w io.Writer) error { return writeShopKeys(w, r.Slug, all, o.now()) })
			})
		},
	}
}

func writeShopKeys(w io.Writer, slug string, all []event.ShopKey, now time.Time) error {
	if len(all) == 0 {
		writeHanging(w, "", fmt.Sprintf("%s has no key. The first: ops apikeys create %s --name NAME --commit", slug, slug))
		return nil
	}
	t := table{columns: []string{"ID", "NAME", "KEY", "MADE", "USED", "STATE"}, elastic: 1}
	for _, k := range all {
		state := "active"
		if k.RevokedAt != nil {
			state = "revoked"
		}
		t.add(k.ID, k.Name, k.Prefix+"…", ago(now, &k.CreatedAt), ago(now, k.LastUsedAt), state)
	}
	return t.write(w)
}

// revokedShopKey is the answer to "apikeys revoke".
type revokedShopKey struct {
	written
	event.ShopKey
}

func (o *ops) revokeShopKey() *cobra.Command {
	var w writing
	c := &cobra.Command{
		Use: "revoke ID", Short: "End a key at once and for good (needs --commit)", Args: takes("ID"),
		Long:    "Ends a key, named by its id in the list. The next request with it is refused.",
		Example: "  ops apikeys revoke key_2kq7w3v5x4m6n8p0 --commit",
		RunE: func(c *cobra.Command, args []string) error {
			begun, err := o.begin(c, w)
			if err != nil {
				return err
			}
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				found, err := db.ShopKeys(ctx, "", args[0])
				if err != nil {
					return err
				}
				if args[0] == "" || len(found) == 0 {
					return fmt.Errorf("there is no key %q; see: ops apikeys list RESTAURANT", args[0])
				}
				a := revokedShopKey{begun, found[0]}
				if a.RevokedAt != nil {
					return fmt.Errorf("the key %s was revoked %s", a.ID, ago(o.now(), a.RevokedAt))
				}
				if a.Committed {
					if err := db.RevokeShopKey(ctx, a.by(), a.ID); errors.Is(err, event.ErrNoShopKey) {
						return postgres.ErrChanged
					} else if err != nil {
						return err
					}
				}
				return o.show(c.OutOrStdout(), a, func(w io.Writer) error {
					writeHanging(w, "", fmt.Sprintf("%s the key %s (%s) of %s.", a.verb("revoke", "Revoked"), a.ID, a.Name, a.Slug))
					return a.end(w)
				})
			})
		},
	}
	w.flags(c)
	return c
}

// orderToken prints what lets a customer see an order.
func (o *ops) orderToken() *cobra.Command {
	type answer struct {
		OrderID string `json:"orderId"`
		Token   string `json:"token"`
	}
	return &cobra.Command{
		Use: "token ORDER", Short: "Print the token that lets a customer see and pay an order", Args: takes("ORDER"),
		Long: "Prints an order's token, for the widget and the storefront API. It follows from\n" +
			"the order's id and the services' first key, so that an order which another\n" +
			"application has stored has one, too.",
		Example: "  ops orders token order-1\n  ops orders token order-1 -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return o.sealingVault(c.Context(), func(ctx context.Context, db *postgres.DB, ring *secret.Ring) error {
				views, err := db.Views(ctx, args)
				if err != nil {
					return err
				}
				if len(views) == 0 {
					return fmt.Errorf("%w: %s", postgres.ErrNoOrder, args[0])
				}
				a := answer{args[0], ring.OrderTokens().Token(args[0])}
				return o.show(c.OutOrStdout(), a, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, a.Token)
					return err
				})
			})
		},
	}
}

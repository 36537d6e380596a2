package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tillhook/pkg/admin"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
	"tillhook/pkg/secret"
)

// The lengths of an operator's password. Length is what makes one good; the
// upper bound keeps it from being a document.
const (
	minPassword = 12
	maxPassword = 200
)

func (o *ops) admins() *cobra.Command {
	return o.group("admins", "Say who may sign in to the panel",
		"Operators sign in to the panel (cmd/admin) with their email address and a\n"+
			"password. A viewer reads; an operator also replays events, sets secrets, and may\n"+
			"see what an event says of a customer.",
		o.createAdmin(), o.setAdminPassword(), o.disableAdmin(), o.listAdmins())
}

// changedAdmin is the answer of the commands that write.
type changedAdmin struct {
	written
	Email string       `json:"email"`
	Role  event.Access `json:"role,omitempty"`
	does  [2]string    // what it would do, what it has done
}

func (a changedAdmin) table(w io.Writer) error {
	writeHanging(w, "", fmt.Sprintf("%s %s.", a.verb(a.does[0], a.does[1]), a.Email))
	return a.end(w)
}

func (o *ops) createAdmin() *cobra.Command {
	var w writing
	var role string
	var stdin bool
	c := &cobra.Command{
		Use: "create EMAIL", Short: "Let somebody sign in (needs --commit)", Args: takes("EMAIL"),
		Long: "Makes an operator of the panel. The password is asked for on a hidden prompt, or\n" +
			"read from a pipe or file with --stdin: 12 characters or more.",
		Example: "  ops admins create anna@example.com --role operator --commit",
		RunE: func(c *cobra.Command, args []string) error {
			if role != string(event.Viewer) && role != string(event.Operates) {
				return misuse("--role %q: want viewer or operator", role)
			}
			a := changedAdmin{Role: event.Access(role), does: [2]string{"make the " + role, "Made the " + role}}
			return o.changeAdmin(c, w, args[0], a, &stdin, func(ctx context.Context, db *postgres.DB, a changedAdmin, hash string) error {
				return db.CreateOperator(ctx, a.by(), event.Operator{ID: newID("opr"), Email: a.Email, Role: a.Role, PasswordHash: hash})
			})
		},
	}
	w.flags(c)
	c.Flags().StringVar(&role, "role", string(event.Viewer), "viewer or operator")
	c.Flags().BoolVar(&stdin, "stdin", false, "read the password from a pipe or a file, not from a prompt")
	return c
}

func (o *ops) setAdminPassword() *cobra.Command {
	var w writing
	var stdin bool
	c := &cobra.Command{
		Use: "set-password EMAIL", Short: "Give somebody another password (needs --commit)", Args: takes("EMAIL"),
		Long: "Stores another password, ends all sessions of the operator, and lets in again\n" +
			"who was disabled, or was shut out by too many wrong passwords.",
		Example: "  ops admins set-password anna@example.com --commit",
		RunE: func(c *cobra.Command, args []string) error {
			a := changedAdmin{does: [2]string{"set the password of", "Set the password of"}}
			return o.changeAdmin(c, w, args[0], a, &stdin, func(ctx context.Context, db *postgres.DB, a changedAdmin, hash string) error {
				if err := db.SetOperatorPassword(ctx, a.by(), a.Email, hash); err != nil {
					return err
				}
				return db.ForgiveAccount(ctx, admin.AccountKey(a.Email)) // whom guessers have shut out
			})
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&stdin, "stdin", false, "read the password from a pipe or a file, not from a prompt")
	return c
}

func (o *ops) disableAdmin() *cobra.Command {
	var w writing
	c := &cobra.Command{
		Use: "disable EMAIL", Short: "Let somebody in no more (needs --commit)", Args: takes("EMAIL"),
		Long:    "Ends all sessions of an operator, who can't sign in any more.",
		Example: "  ops admins disable anna@example.com --commit",
		RunE: func(c *cobra.Command, args []string) error {
			a := changedAdmin{does: [2]string{"disable", "Disabled"}}
			return o.changeAdmin(c, w, args[0], a, nil, func(ctx context.Context, db *postgres.DB, a changedAdmin, _ string) error {
				return db.DisableOperator(ctx, a.by(), a.Email)
			})
		},
	}
	w.flags(c)
	return c
}

// changeAdmin is what the commands that write have in common. stdin is nil
// where no password is asked for.
func (o *ops) changeAdmin(c *cobra.Command, w writing, address string, a changedAdmin, stdin *bool,
	change func(context.Context, *postgres.DB, changedAdmin, string) error) (err error) {
	if a.written, err = o.begin(c, w); err != nil {
		return err
	}
	if a.Email, err = operatorEmail(address); err != nil {
		return err
	}
	var password secret.Text
	if stdin != nil {
		if password, err = o.readSecret(c.Context(), *stdin, "the password of "+a.Email, checkPassword); err != nil {
			return err
		}
	}
	return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
		if a.Committed {
			hash := ""
			if stdin != nil {
				hash = secret.HashPassword(password.Reveal())
			}
			if err := change(ctx, db, a, hash); errors.Is(err, event.ErrNoOperator) {
				return fmt.Errorf("there is no operator %s to do this to; see: ops admins list", a.Email)
			} else if err != nil {
				return err
			}
		}
		return o.show(c.OutOrStdout(), a, a.table)
	})
}

// operatorEmail is an address as it is stored: signing in doesn't tell cases
// apart.
func operatorEmail(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > maxActor {
		return "", misuse("%q is no email address", text)
	}
	return email, nil
}

func checkPassword(plain string) error {
	if n := utf8.RuneCountInString(plain); n < minPassword || n > maxPassword {
		return misuse("the password has %d characters, not %d to %d", n, minPassword, maxPassword)
	}
	return nil
}

func (o *ops) listAdmins() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List who may sign in, and who might once", Args: takes(),
		Example: "  ops admins list\n  ops admins list -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.database(c.Context(), func(ctx context.Context, db *postgres.DB) error {
				all, err := db.Operators(ctx)
				if err != nil {
					return err
				}
				for i := range all {
					all[i].CreatedAt, all[i].DisabledAt, all[i].LastSeenAt = all[i].CreatedAt.UTC(), utc(all[i].DisabledAt), utc(all[i].LastSeenAt)
				}
				return o.show(c.OutOrStdout(), all, func(w io.Writer) error { return writeAdmins(w, all, o.now()) })
			})
		},
	}
}

func writeAdmins(w io.Writer, all []event.Operator, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "Nobody may sign in. The first: ops admins create EMAIL --role operator --commit")
		return err
	}
	t := table{columns: []string{"EMAIL", "ROLE", "MADE", "SIGNED IN", "STATE"}, elastic: 0}
	for _, a := range all {
		seen, state := "no", "active"
		if a.LastSeenAt != nil {
			seen = ago(now, a.LastSeenAt)
		}
		if a.DisabledAt != nil {
			state = "disabled"
		}
		t.add(a.Email, string(a.Role), ago(now, &a.CreatedAt), seen, state)
	}
	return t.write(w)
}

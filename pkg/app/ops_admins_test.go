package app_test

import (
	"strings"
	"testing"

	"tillhook/pkg/event"
)

func TestAdminsAreMadeAndDisabled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.secrets = append(d.secrets, "correct horse battery", "another horse battery", "$argon2id$")
	d.shows(0, `
Nobody may sign in. The first: ops admins create EMAIL --role operator --commit
`, "", "admins", "list")
	d.shows(0, `
Would make the operator berta@example.com.

Nothing was changed. To do it, add --commit.
`, "correct horse battery\n", "admins", "create", "Berta@Example.com", "--role", "operator", "--stdin")
	if n := d.scalar(`SELECT count(*)::text FROM "Operator"`); n != "0" {
		t.Fatalf("%s operators were made without --commit", n)
	}
	d.shows(0, "\nMade the operator berta@example.com.\n", "correct horse battery\n", "admins", "create", "Berta@Example.com", "--role", "operator", "--stdin", "--commit")
	d.shows(1, "\nops: there is an operator of this address already\n", "correct horse battery\n", "admins", "create", "berta@example.com", "--stdin", "--commit")
	d.shows(0, `
EMAIL              ROLE      MADE     SIGNED IN  STATE
berta@example.com  operator  N s ago  no         active
`, "", "admins", "list")

	before := d.scalar(`SELECT "passwordHash" FROM "Operator"`)
	d.exec(`INSERT INTO "OperatorSession" ("tokenHash", "operatorId", "expiresAt") SELECT 'x', id, now() + interval '1 hour' FROM "Operator"`)
	d.shows(0, "\nSet the password of berta@example.com.\n", "another horse battery\n", "admins", "set-password", "berta@example.com", "--stdin", "--commit")
	if d.scalar(`SELECT "passwordHash" FROM "Operator"`) == before || d.scalar(`SELECT count(*)::text FROM "OperatorSession"`) != "0" {
		t.Error("the password is the one before, or its sessions go on")
	}
	d.shows(0, "\nDisabled berta@example.com.\n", "", "admins", "disable", "berta@example.com", "--commit")
	d.shows(1, "\nops: there is no operator berta@example.com to do this to; see: ops admins list\n", "", "admins", "disable", "berta@example.com", "--commit")
	var all []event.Operator
	d.json(&all, "", "admins", "list")
	if len(all) != 1 || all[0].DisabledAt == nil || all[0].Role != event.Operates {
		t.Errorf("%+v", all)
	}
	for _, who := range []string{"admins create", "admins set-password", "admins disable"} {
		if !strings.Contains(d.audit(), "anna@HOST | "+who) {
			t.Errorf("no audit line of %s:\n%s", who, d.audit())
		}
	}
}

func TestAdminsAreMadeWithCare(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shows(2, "\nops: the password has 5 characters, not 12 to 200\n", "short", "admins", "create", "berta@example.com", "--stdin", "--commit")
	d.shows(2, "\nops: \"anna\" is no email address\n", "correct horse battery", "admins", "create", "anna", "--stdin", "--commit")
	d.shows(2, "\nops: --role \"root\": want viewer or operator\n", "correct horse battery", "admins", "create", "berta@example.com", "--role", "root", "--stdin", "--commit")
	d.shows(1, "\nops: there is no operator berta@example.com to do this to; see: ops admins list\n", "correct horse battery", "admins", "set-password", "berta@example.com", "--stdin", "--commit")
}

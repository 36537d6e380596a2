package app_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpsRestaurants(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shows(0, "There are no restaurants. Make one with: ops restaurants create SLUG --name NAME\n", "", "restaurants", "list")
	d.shows(0, `
Would create restaurant da-marco:
  name      Trattoria da Marco
  id        a new one
  mode      live
  endpoint  /api/v1/webhooks/stripe/da-marco
  secret    none yet; next: ops secrets set da-marco

Nothing was changed. To do it, add --commit.
`, "", "restaurants", "create", "da-marco", "--name", "Trattoria da Marco", "--live")
	if got := d.audit() + d.scalar(`SELECT count(*)::text FROM "Restaurant"`); got != "0" {
		t.Errorf("without --commit there is %s", got)
	}
	d.shows(0, `
Created restaurant da-marco:
  name      Trattoria da Marco
  id        rest_ID
  mode      live
  endpoint  /api/v1/webhooks/stripe/da-marco
  secret    none yet; next: ops secrets set da-marco
`, "", "restaurants", "create", "da-marco", "--name", " Trattoria da Marco ", "--live", "--commit")
	d.works("", "restaurants", "create", "kaito", "--name", "Sushi Kaito", "--id", "42", "--account", "acct_1", "--as", "bert", "--commit")
	for _, taken := range []string{"kaito", "42"} {
		d.shows(1, `ops: "`+taken+`" is taken: it names the restaurant kaito (id 42)`+"\n", "", "restaurants", "create", taken, "--name", "X", "--commit")
	}
	d.restaurant("old", d.secret("old"))
	d.shows(0, `
SLUG      NAME         ON   MODE  SECRET     AGE  OVERLAP  ID
da-marco  Trattoria…   yes  live  none       -    -        rest_ID
kaito     Sushi Kaito  yes  test  none       -    -        42
old       The old      yes  live  plaintext  N s  -        old
`, "", "restaurants", "list")
	want := `anna@HOST | restaurants create | rest_ID | id, name, slug
anna@HOST | restaurants create | cfg_ID | id, isActive, livemode, provider, restaurantId
bert | restaurants create | 42 | id, name, slug
bert | restaurants create | cfg_ID | id, isActive, livemode, provider, restaurantId, stripeAccountId`
	got, _, _ := strings.Cut(d.audit(), "\nsql: ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
	var list []map[string]any
	d.json(&list, "", "restaurants", "list")
	delete(list[1], "configurationId")
	if diff := cmp.Diff(map[string]any{"id": "42", "slug": "kaito", "name": "Sushi Kaito", "active": true,
		"mode": "test", "account": "acct_1", "secret": "none"}, list[1]); diff != "" {
		t.Errorf("JSON (-want +got)\n%s", diff)
	}
}

// A name is somebody's text: it must not reach the terminal as it is.
func TestOpsPrintsNoEscapeSequences(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', E'\x1b[31mred\n', 'r')`)
	d.shows(0, `
SLUG  NAME       ON  MODE  SECRET  AGE  OVERLAP  ID
r     ?[31mred?  no  -     none    -    -        r
`, "", "restaurants", "list")
}

func TestOpsWrongUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	long := strings.Repeat("x", 64)
	create := func(args ...string) []string { return append([]string{"restaurants", "create"}, args...) }
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nosuch"}, `there is no command "nosuch"; see: ops --help`},
		{[]string{"secret"}, `there is no command "secret" (secrets?); see: ops --help`},
		{[]string{"secrets", "rotat"}, `there is no command "rotat" (rotate?); see: ops secrets --help`},
		{[]string{"secrets", "check", "--all"}, "unknown flag: --all; see: ops secrets check --help"},
		{[]string{"secrets", "chek", "--all"}, "unknown flag: --all, or the command before it is misspelt; see: ops secrets --help"},
		{[]string{"restaurants", "list", "-o", "yaml"}, `--output "yaml": want table or json`},
		{[]string{"restaurants", "list", "all"}, "ops restaurants list takes no argument; see: ops restaurants list --help"},
		{[]string{"secrets", "set"}, "want: ops secrets set RESTAURANT; see: ops secrets set --help"},
		{[]string{"secrets", "due", "--days", "-1"}, "--days: want 0 to 36500"},
		{[]string{"secrets", "rotate", "x", "--overlap", "721h"}, "--overlap: want 0 to 720h, which is 30 days"},
		{[]string{"secrets", "rotate", "x", "--overlap", "-1s"}, "--overlap: want 0 to 720h, which is 30 days"},
		{[]string{"secrets", "reseal", "--as", "a\x1bb"}, "--as: want a name of up to 100 printable characters"},
		{[]string{"secrets", "reseal", "--as", " "}, "--as: want a name of up to 100 printable characters"},
		{create("Marco", "--name", "x"), `slug "Marco": want up to 63 of a-z, 0-9 and hyphens, none at either end`},
		{create("-marco", "--name", "x"), "unknown shorthand flag: 'm' in -marco; see: ops restaurants create --help"},
		{create("marco-", "--name", "x"), `slug "marco-": want up to 63 of a-z, 0-9 and hyphens, none at either end`},
		{create(long, "--name", "x"), `slug "` + long + `": want up to 63 of a-z, 0-9 and hyphens, none at either end`},
		{create("marco"), "--name: missing, the restaurant's name"},
		{create("marco", "--name", "a\nb"), "--name: want up to 200 printable characters"},
		{create("marco", "--name", "x", "--id", "a/b"), `--id "a/b": want up to 64 letters, digits, dots, hyphens and underscores`},
		{create("marco", "--name", "x", "--account", "123"), `--account "123": want acct_ and letters and digits`},
	} {
		d.shows(2, told(errors.New(c.want)), "", c.args...)
	}
	if got := d.audit(); got != "" {
		t.Errorf("something was written: %s", got)
	}
}

// The exit codes of the real program, which a script goes by.
func TestOpsExitCodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
	}{
		{"restaurants list", 0}, {"", 0}, {"--help", 0}, {"secrets check", 0},
		{"secrets check nobody", 1}, {"nosuch", 2}, {"secrets set x y", 2},
	} {
		command := exec.Command(filepath.Join(dir, "ops"), strings.Fields(c.args)...)
		command.Env = []string{"DATABASE_URL=" + d.url}
		out, _ := command.CombinedOutput() // the code says it all
		if got := command.ProcessState.ExitCode(); got != c.code {
			t.Errorf("ops %s: exit %d, want %d\n%s", c.args, got, c.code, out)
		}
	}
}

func TestOpsSaysThatTheSchemaIsMissing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`ALTER TABLE "AuditEntry" RENAME TO kept`)
	d.exec(`ALTER TABLE "Restaurant" RENAME TO "NotYet"`)
	out, code := d.run("", "restaurants", "list")
	if code != 1 || !strings.HasSuffix(out, "\n     The database's schema is missing, or older than this program:\n     ops migrate up\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
	d.exec(`ALTER TABLE kept RENAME TO "AuditEntry"`)
}

func TestOpsMigrateAsJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var all []json.RawMessage
	d.json(&all, "", "migrate", "up")
	if len(all) != 0 {
		t.Errorf("applied %s", all)
	}
	d.json(&all, "", "migrate", "status")
	if len(all) == 0 {
		t.Error("there are no migrations")
	}
}

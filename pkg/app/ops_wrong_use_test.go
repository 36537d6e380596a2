package app_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"tillhook/pkg/secret"
)

// label is what a fact begins with.
var label = regexp.MustCompile(`^ +\S+( \S+)?  +`)

// tooWide are the lines of a text that a terminal breaks where it likes: not those
// that are one word, as a URL or an id, or a label and one.
func tooWide(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len([]rune(line)) > 80 && strings.Contains(strings.TrimSpace(label.ReplaceAllString(line, "")), " ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Whoever mistypes a command reads what is allowed, on a terminal of 80 columns.
func TestOpsWrongUseNamesWhatIsAllowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("r", "")
	key := secret.NewShopKey().Reveal()
	d.secrets = append(d.secrets, key)
	long := strings.Repeat("x", 70)
	const (
		aTime   = "want a time with its unit, such as 30m or 2h;"
		ago     = "want how long ago, such as 90m, 6h or 2d, or a time such as 2026-01-31T18:00:00Z"
		number  = "want a whole number;"
		atLeast = "--limit: want a positive number"
		older   = "--older: want a positive time, such as 30m or 2h"
		name    = "want up to 63 of a-z, 0-9 and hyphens, none at either end"
	)
	for _, c := range []struct{ args, want string }{
		{"events list --status FAILD", "want one of PROCESSING, COMPLETED, FAILED, VERIFICATION_FAILED, NO_CONFIG"},
		{"events list --status " + long, "want one of PROCESSING, COMPLETED, FAILED, VERIFICATION_FAILED, NO_CONFIG"},
		{"events list --limit x", `--limit "x": ` + number + " see: ops events list --help"},
		{"events list --limit 0", atLeast},
		{"events list --since yesterday", ago},
		{"events list --until " + long, ago},
		{"events list --statsu FAILED", "unknown flag: --statsu; see: ops events list --help"},
		{"events lst", `(list?); see: ops events --help`},
		{"help events lst", `there is no command "lst" (list?); see: ops events --help`},
		{"help evnts", `there is no command "evnts" (events?); see: ops --help`},
		{"events show", "want: ops events show EVENT; see: ops events show --help"},
		{"events show a b", "want: ops events show EVENT; see: ops events show --help"},
		{"events replay", "want: ops events replay EVENT ..., or flags that say which; see: ops events replay --help"},
		{"events replay e --commit=maybe", "want true or false, or nothing; see: ops events replay --help"},
		{"orders stuck --older 5", `--older "5": ` + aTime + " see: ops orders stuck --help"},
		{"orders stuck --older 0s", older},
		{"orders stuck --older", "flag needs an argument: --older; see: ops orders stuck --help"},
		{"orders stuck --limit 0", atLeast},
		{"orders review --limit -1", atLeast},
		{"orders reconcile", "want: ops orders reconcile ORDER ..., or --stuck; see: ops orders reconcile --help"},
		{"orders reconcile order-1 --stuck", "want: ops orders reconcile ORDER ..., or --stuck; see: ops orders reconcile --help"},
		{"orders reconcile --stuck --older -1h", older},
		{"orders token", "want: ops orders token ORDER; see: ops orders token --help"},
		{"backfill", "want: ops backfill --since TIME; see: ops backfill --help"},
		{"backfill --since lately", ago},
		{"backfill --since 1h --until 3h", "want a time after --since, and not in the future"},
		{"audit --commit", "want --repair --commit"},
		{"audit --since " + long, ago},
		{"probe", "METRICS_ADDR is not set here to host:port; name the URL to ask: ops probe URL"},
		{"probe a b", "want: ops probe [URL]; see: ops probe --help"},
		{"probe --wait soon", aTime},
		{"doctor " + long, "ops doctor takes no argument; see: ops doctor --help"},
		{"-o xml doctor", "want table or json"},
		{"--commit", "unknown flag: --commit, or the command before it is misspelt; see: ops --help"},
		{long, "see: ops --help"},
		{"migrate up now", "ops migrate up takes no argument; see: ops migrate up --help"},
		{"partitions drop --limit 0", atLeast},
		{"secrets check a b", "want: ops secrets check [RESTAURANT]; see: ops secrets check --help"},
		{"secrets due --days -1", "want 0 to 36500"},
		{"secrets due --days many", number},
		{"secrets rotate r --overlap 1000h", "want 0 to 720h, which is 30 days"},
		{"secrets rotate r --overlap 72", aTime},
		{"secrets set r", "hand it over with --stdin"},
		{"secrets set r whsec_" + long, "give it at the prompt or with --stdin"},
		{"apikeys create r", "--name: say what the key is for, in up to 100 printable characters"},
		{"apikeys list", "want: ops apikeys list RESTAURANT; see: ops apikeys list --help"},
		{"apikeys list " + key, "revoke this one by its id"},
		{"admins create anna", `"anna" is no email address`},
		{"admins create a@example.com --role root", "want viewer or operator"},
		{"admins create a@example.com", "hand it over with --stdin"},
		{"restaurants create", "want: ops restaurants create SLUG; see: ops restaurants create --help"},
		{"restaurants create Marco --name x", name},
		{"restaurants create " + long + " --name x", name},
		{"restaurants create marco", "--name: missing, the restaurant's name"},
		{"restaurants create marco --name x --id a/b", "want up to 64 letters, digits, dots, hyphens and underscores"},
		{"restaurants create marco --name x --account 1", "want acct_ and letters and digits"},
		{"secrets reseal --as " + long + long, "want a name of up to 100 printable characters"},
	} {
		out, code := d.run("", strings.Fields(c.args)...)
		if text := strings.Join(strings.Fields(out), " "); code != 2 || !strings.Contains(text, c.want) {
			t.Errorf("ops %s: exit %d, want 2 and %q in\n%s", c.args, code, c.want, out)
		}
		if wide := tooWide(out); wide != nil {
			t.Errorf("ops %s: wider than a terminal: %q", c.args, wide)
		}
	}
}

// An error is told in lines that fit, and what is to be copied is in one piece.
func TestTellError(t *testing.T) {
	t.Parallel()
	url := "https://example.com/" + strings.Repeat("u", 80)
	for _, c := range []struct{ text, want string }{
		{"short", "ops: short\n"},
		{strings.Repeat("word ", 15) + "end\n", "ops: " + strings.Repeat("word ", 14) + "word\n     end\n"},
		{"asking " + url + " failed", "ops: asking\n     " + url + "\n     failed\n"},
		{"two faults:\n  one\n  " + strings.Repeat("word ", 15), "ops: two faults:\n       one\n       " + strings.Repeat("word ", 13) + "word\n       word\n"},
		{"the order is not here any more, and was paid; see: ops events list --order order-1", "ops: the order is not here any more, and was paid; see:\n     ops events list --order order-1\n"},
		{"it is FAILED: ops events replay evt_1 --commit, when what has kept it is mended", "ops: it is FAILED: ops events replay evt_1 --commit, when what has kept it is\n     mended\n"},
		{"see: ops " + strings.Repeat("argument ", 9), "ops: see: ops" + strings.Repeat(" argument", 7) + "\n     argument argument\n"},
		{"a\x1b[2Jb", "ops: a?[2Jb\n"},
	} {
		if got := told(errors.New(c.text)); got != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
	wrapped := fmt.Errorf("reading: %w", errors.Join(errors.New("one"), errors.New("two")))
	if got, want := told(wrapped), "ops: reading: one\n     two\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

package deploy_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// matches are the first groups of all matches.
func matches(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// help is what ops says of the command that the words begin with, and the words
// that name it.
func help(t *testing.T, words []string) (text string, named []string) {
	t.Helper()
	for n := min(3, len(words)); n > 0; n-- {
		var out bytes.Buffer
		err := app.Ops(t.Context(), app.Process{Args: append(slices.Clone(words[:n]), "--help"), Stdout: &out, Stderr: &out})
		if err == nil && strings.Contains(out.String(), "\n  ops "+strings.Join(words[:n], " ")) {
			return out.String(), words[:n]
		}
	}
	return "", nil
}

// Whoever follows the guide types nothing that isn't there.
func TestTheGuidesCommandsExist(t *testing.T) {
	t.Parallel()
	guide := read(t, "README.md")
	commands := append(matches("`ops ([^`]+)`", guide), matches(`(?m)^ *ops ((?:[a-z].*?))(?: +#.*)?$`, guide)...)
	if len(commands) < 30 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, command := range commands {
		command, _, _ = strings.Cut(command, " || ")
		text, named := help(t, strings.Fields(command))
		if rest := strings.Fields(command)[len(named):]; named == nil || strings.Contains(text, "Available Commands:") && len(rest) > 0 {
			t.Errorf("there is no: ops %s", command)
		}
		for _, flag := range matches(`(--[a-z-]+)`, command) {
			if !strings.Contains(text, flag+" ") {
				t.Errorf("ops %s: there is no %s", command, flag)
			}
		}
	}
}

func TestTheGuideNamesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	guide := read(t, "README.md")
	for _, link := range matches(`\]\(([^)#:]+)(?:#[^)]*)?\)`, guide) {
		if _, err := os.Stat(link); err != nil {
			t.Error(err)
		}
	}
	for _, path := range matches(`\b(deploy/[\w./-]+\w)`, guide) {
		// Paths from the top of the repository, and "deploy/NAME" of kubectl.
		if _, err := os.Stat("../" + path); err != nil && !strings.HasPrefix(path, "deploy/tillhook-") {
			t.Error(err)
		}
	}
	known := slices.Concat(settings(), composeVariables(t), herokuOnly, []string{"NODE_ENV", "VERSION", "CGO_ENABLED", "LC_COLLATE"})
	for _, name := range matches("\\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\\b", guide) {
		if !slices.Contains(known, name) && !slices.Contains(states, name) {
			t.Errorf("there is no setting %s", name)
		}
	}
	for _, unit := range matches(`\b(tillhook-[a-z]+)@\d`, guide) {
		if _, err := os.Stat("systemd/" + unit + "@.service"); err != nil {
			t.Error(err)
		}
	}
}

// states look like settings, and are none.
var states = []string{"VERIFICATION_FAILED", "NO_CONFIG", "PAYMENT_PENDING"}

// pgbouncer ends a connection that asks for what it doesn't know: the guide's list
// has everything that ours ask for.
func TestTheGuideKnowsWhatConnectionsAskFor(t *testing.T) {
	t.Parallel()
	ignored := strings.Split(strings.Join(matches(`ignore_startup_parameters = (\S+)`, read(t, "README.md")), ""), ",")
	source := read(t, "../pkg/postgres/open.go")
	asked := append(matches(`setDefault\("(\w+)"`, source), matches(`q\.Set\("(\w+)"`, source)...)
	asked = append(asked, matches(`"(enable_\w+)"`, source)...)
	// Of these, some the driver keeps to itself, and one pgbouncer knows.
	driver := []string{"target_session_attrs", "binary_parameters", "sslmode", "connect_timeout", "host", "port", "application_name"}
	if len(asked) < 12 {
		t.Errorf("only %v found", asked)
	}
	for _, name := range asked {
		if !slices.Contains(driver, name) && !slices.Contains(ignored, name) {
			t.Errorf("pgbouncer is not told of %s", name)
		}
	}
}

package app_test

import (
	"slices"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// Whoever is woken types what the runbook has, and nothing of it is wrong use: no
// flag is missing, and no value is of another kind. What is wrong here is that
// there is no terminal for a secret, and no METRICS_ADDR, as a service has it.
func TestTheRunbooksCommandsAreRightUse(t *testing.T) {
	t.Parallel()
	p := prepare(t, parts{noWorker: true})
	fill := map[string]string{"RESTAURANT": "slug-a", "SLUG": "new", "NAME": "New", "TIME": "1h", "ORDER": "order-1"}
	commands := found("`ops\\s+([^`]+)`", readDeploy(t, "RUNBOOK.md"))
	if len(commands) < 20 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, command := range commands {
		args := slices.DeleteFunc(strings.Fields(command), func(word string) bool { return word == "--commit" })
		for i, word := range args {
			if value, ok := fill[word]; ok {
				args[i] = value
			}
		}
		out, err := p.ops("", args...)
		if app.ExitCode(err) == 2 && !strings.Contains(err.Error(), "no terminal") && !strings.Contains(err.Error(), "METRICS_ADDR") {
			t.Errorf("ops %s: %v\n%s", command, err, out)
		}
	}
}

package app_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found are the first groups of all matches, each once.
func found(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(all, m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

const alertName = `(?m)^ +- alert: (\w+)$`

// The rules are Prometheus's own to judge, and so is when each one fires.
func TestAlertsFireWhenTheyMust(t *testing.T) {
	t.Parallel()
	rules, tests := readDeploy(t, "prometheus/rules.yml"), readDeploy(t, "prometheus/rules_test.yml")
	for _, alert := range found(alertName, rules) {
		for _, name := range []string{alert + " fires\n", alert + " does not fire\n"} {
			if !strings.Contains(tests, "- name: "+name) {
				t.Errorf("rules_test.yml has no %q", name)
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool here; .ci/run has one")
	}
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "rules_test.yml"}} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = "../../deploy/prometheus"
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// An alert or a panel on a metric that nobody has would stay silent for ever.
func TestEveryMetricInAlertsAndPanelsExists(t *testing.T) {
	t.Parallel()
	p := prepare(t, parts{})
	public, private, fleet := freePort(t), freePort(t), freePort(t)
	p.launch("ingest", "PORT="+public, "METRICS_ADDR=127.0.0.1:"+private)
	p.launch("worker", "METRICS_ADDR=127.0.0.1:"+fleet)
	p.base = "http://127.0.0.1:" + public
	p.eventually("ingest answers", func() bool { return p.get("/health").status == 200 })
	pay := p.newPayments("a", 1)[0]
	if got := p.deliver(pay, p.factory.CheckoutCompleted(pay)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	p.eventually("it is paid", func() bool { return p.states(pay) == "PAID / COMPLETED" })
	var live string
	p.eventually("the worker tells of the success", func() bool {
		_, ours := p.privately(private, "/metrics")
		_, theirs := p.privately(fleet, "/metrics")
		live = ours + theirs
		return strings.Contains(live, "tillhook_last_success_timestamp_seconds") && strings.Contains(live, "tillhook_queue_tasks")
	})
	have := found(`(?m)^(\w+)[{ ]`, live)
	named := found(`\b((?:tillhook|webhook|go_sql)_\w+)`, readDeploy(t, "prometheus/rules.yml")+readDeploy(t, "prometheus/dashboard.json"))
	named = append(named, found("`(tillhook_[a-z_]+)`", readDeploy(t, "RUNBOOK.md"))...)
	if len(named) < 30 {
		t.Errorf("only %d metrics found", len(named))
	}
	for _, name := range named {
		if !slices.Contains(have, name) {
			t.Errorf("no process has %s", name)
		}
	}
}

// Whoever is woken finds the alert in the runbook, and commands that exist.
func TestTheRunbookHasEveryAlertAndOnlyRealCommands(t *testing.T) {
	t.Parallel()
	rules, runbook := readDeploy(t, "prometheus/rules.yml"), readDeploy(t, "RUNBOOK.md")
	headings := found(`(?m)^## (\w+)$`, runbook)
	alerts := found(alertName, rules)
	for _, alert := range alerts {
		if !slices.Contains(headings, alert) {
			t.Errorf("the runbook has no %s", alert)
		}
		if !strings.Contains(rules, "RUNBOOK.md#"+strings.ToLower(alert)+"\n") {
			t.Errorf("%s does not lead to the runbook", alert)
		}
	}
	for _, heading := range headings {
		if !slices.Contains(alerts, heading) {
			t.Errorf("the runbook has %s, which is no alert", heading)
		}
	}
	commands := found("`ops\\s+([^`]+)`", runbook)
	if len(commands) < 10 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, command := range commands {
		var words, flags []string
		for _, word := range strings.Fields(command) {
			switch {
			case strings.HasPrefix(word, "--"):
				flags = append(flags, word)
			case len(flags) == 0 && word == strings.ToLower(word):
				words = append(words, word)
			}
		}
		var help bytes.Buffer
		err := app.Ops(t.Context(), app.Process{Args: append(words, "--help"), Stdout: &help, Stderr: &help})
		if err != nil || !strings.Contains(help.String(), "\n  ops "+strings.Join(words, " ")) {
			t.Errorf("ops %s: %v\n%s", command, err, help.String())
		}
		for _, flag := range flags {
			if !strings.Contains(help.String(), flag+" ") {
				t.Errorf("ops %s: there is no %s", command, flag)
			}
		}
	}
}

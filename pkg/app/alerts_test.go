package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tillhook/pkg/app"
	"tillhook/pkg/devstack"
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
	promtool := devstack.Tool(t, "promtool")
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

// dashboard is what of Grafana's format a panel of ours needs.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  struct{ Type, UID string }
		GridPos     struct{ X, Y, W, H int }
		FieldConfig struct {
			Defaults struct{ Unit string }
		}
		Targets []struct{ RefID, Expr, LegendFormat string }
	}
}

// The dashboard is one that Grafana draws: of one data source that is chosen
// there, every panel in a place of its own, every expression one of Prometheus's.
func TestTheDashboardIsWhole(t *testing.T) {
	t.Parallel()
	var d dashboard
	if err := json.Unmarshal([]byte(readDeploy(t, "prometheus/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 20 {
		t.Errorf("%q, %q, version %d, %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	if v := d.Templating.List; len(v) != 1 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[0].Query != "prometheus" {
		t.Errorf("variables %v", v)
	}
	ids, places := map[int]bool{}, map[[2]int]string{}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" || p.Type != "timeseries" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: its id, type, title, unit or targets", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Datasource.Type != "prometheus" || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: data source %v", p.Title, p.Datasource)
		}
		if g := p.GridPos; g.W < 4 || g.H < 4 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s: place %v", p.Title, g)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := places[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies upon %s", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] || q.Expr == "" || strings.Contains(q.Expr, "$") {
				t.Errorf("%s: target %v", p.Title, q)
			}
			if q.LegendFormat == "" || len(p.Targets) > 1 && refs[q.LegendFormat] {
				t.Errorf("%s: %s can't be told from others", p.Title, q.Expr)
			}
			refs[q.RefID], refs[q.LegendFormat] = true, true
			fmt.Fprintf(&rules, "  - record: panel:%d%s\n    expr: %q\n", p.ID, strings.ToLower(q.RefID), q.Expr)
		}
	}
	promtool := devstack.Tool(t, "promtool")
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

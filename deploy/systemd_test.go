package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/devstack"
)

// highestExposure is what systemd may think of a unit, of ten: it calls up to two
// well hardened.
const highestExposure = 2.0

func units(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("systemd/*.service")
	if err != nil || len(all) < 5 {
		t.Fatalf("%v %v", all, err)
	}
	return all
}

// instance is the unit's name once it runs: the template's first.
func instance(file string) string { return strings.Replace(filepath.Base(file), "@.", "@1.", 1) }

// directives are the values of a unit's directive, with the specifiers that are
// used here filled in.
func directives(t *testing.T, file, name string) (values []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(read(t, file), -1) {
		values = append(values, strings.NewReplacer("%i", "1", "%d", "/run/credentials").Replace(m[1]))
	}
	return values
}

// unitEnvironment is what the Environment directives of a file set.
func unitEnvironment(t *testing.T, file string) (environ []string) {
	t.Helper()
	for _, line := range directives(t, filepath.Join("systemd", file), "Environment") {
		if strings.HasPrefix(line, `"`) {
			environ = append(environ, strings.Trim(line, `"`))
			continue
		}
		environ = append(environ, strings.Fields(line)...)
	}
	return environ
}

func unitServices(t *testing.T) (all []service) {
	shared := strings.Split(strings.TrimSpace(read(t, "systemd/tillhook.env")), "\n")
	for _, file := range units(t) {
		s := service{file: file, name: instance(file), command: strings.Fields(directives(t, file, "ExecStart")[0]), env: map[string]string{}}
		for _, pair := range append(unitEnvironment(t, filepath.Base(file)), shared...) {
			if name, value, found := strings.Cut(pair, "="); found && !strings.HasPrefix(name, "#") {
				s.env[name] = value
			}
		}
		all = append(all, s)
	}
	return all
}

func TestUnitsAreInOrder(t *testing.T) {
	t.Parallel()
	for _, s := range unitServices(t) {
		given := strings.Join(directives(t, s.file, "LoadCredential"), " ")
		for name, value := range s.env {
			if credential, isFile := strings.CutPrefix(value, "/run/credentials/"); isFile && !strings.Contains(given, credential+":/etc/tillhook/secrets/"+credential) {
				t.Errorf("%s: %s is not handed over", s.file, name)
			}
		}
		if delay, err := time.ParseDuration(s.env["SHUTDOWN_DELAY"]); err == nil {
			grace, err := time.ParseDuration(directives(t, s.file, "TimeoutStopSec")[0])
			if err != nil || grace < delay+inOrder {
				t.Errorf("%s is killed after %s: %v", s.file, grace, err)
			}
		}
	}
}

// systemd itself reads the units, in a file system that holds just them, the
// programs, and the targets that every system has.
func TestSystemdTakesTheUnits(t *testing.T) {
	t.Parallel()
	analyze := devstack.Tool(t, "systemd-analyze")
	root := t.TempDir()
	put := func(path, content string, mode os.FileMode) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range programs(t) {
		put("opt/tillhook/bin/"+program, "#!/bin/true\n", 0o755)
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "network-online", "multi-user"} {
		put("etc/systemd/system/"+target+".target", "[Unit]\nDescription="+target+"\n", 0o644)
	}
	put("etc/tillhook/tillhook.env", read(t, "systemd/tillhook.env"), 0o644)
	put("etc/systemd/system/caddy.service", "[Service]\nExecStart=/opt/tillhook/bin/ops\n", 0o644)
	put("etc/systemd/system/caddy.service.d/tillhook.conf", read(t, "systemd/caddy.conf"), 0o644)
	verify := []string{"verify", "--man=no", "--root=" + root, "caddy.service"}
	for _, file := range units(t) {
		put("etc/systemd/system/"+filepath.Base(file), read(t, file), 0o644)
		verify = append(verify, instance(file))
	}
	// It complains of an unknown directive, and ends with 0 all the same.
	if out, err := exec.CommandContext(t.Context(), analyze, verify...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, file := range units(t) {
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--json=short", file).Output()
		if err != nil || !json.Valid(out) {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
		table, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", file).Output()
		m := regexp.MustCompile(`exposure level for .*: ([0-9.]+)`).FindSubmatch(table)
		if err != nil || m == nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > highestExposure {
			t.Errorf("%s: exposure %s, at most %.1f", file, m[1], highestExposure)
		}
	}
}

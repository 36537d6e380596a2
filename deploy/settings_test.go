// Package deploy_test holds what the deployment's files say to what the
// programs are: every setting, program, port and probe that one of them names.
package deploy_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tillhook/pkg/app"
)

// service is one process of ours as some file has it run.
type service struct {
	file, name string
	command    []string
	env        map[string]string
}

// testKey is a key that is nobody's.
const testKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// programs are what the image holds: all of cmd but dev.
func programs(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "dev" {
			names = append(names, e.Name())
		}
	}
	return names
}

// settings are all variables of the configuration, with NAME_FILE for secrets.
func settings() (names []string) {
	c := reflect.TypeFor[app.Config]()
	for i := range c.NumField() {
		name := c.Field(i).Tag.Get("env")
		names = append(names, name)
		if c.Field(i).Tag.Get("secret") != "" {
			names = append(names, name+"_FILE")
		}
	}
	return names
}

// every collects the services of all files.
func every(t *testing.T) []service {
	t.Helper()
	all := slices.Concat(composeServices(t), unitServices(t), renderServices(t), flyServices(t), railwayServices(t), herokuServices(t))
	for _, overlay := range overlays {
		all = append(all, clusterServices(t, overlay)...)
	}
	return all
}

func TestEverySettingThatAFileNamesExists(t *testing.T) {
	t.Parallel()
	known := settings()
	for _, s := range every(t) {
		for name := range s.env {
			if !slices.Contains(known, name) {
				t.Errorf("%s, %s: there is no setting %s", s.file, s.name, name)
			}
		}
	}
	for _, file := range []string{"systemd/tillhook.env", "../.env.example"} {
		for _, name := range assigned(t, file) {
			if !slices.Contains(known, name) && !slices.Contains(composeVariables(t), name) {
				t.Errorf("%s: nobody reads %s", file, name)
			}
		}
	}
}

// And the reverse: whoever looks for a setting finds where it belongs.
func TestEverySettingIsInAFile(t *testing.T) {
	t.Parallel()
	named := assigned(t, "../.env.example")
	for _, s := range every(t) {
		for name := range s.env {
			named = append(named, strings.TrimSuffix(name, "_FILE"))
		}
	}
	for _, name := range settings() {
		if !slices.Contains(named, strings.TrimSuffix(name, "_FILE")) {
			t.Errorf("no file of the deployment names %s", name)
		}
	}
}

// Each process would start: its program is one of ours, and its configuration has
// no fault.
func TestEveryServiceWouldStart(t *testing.T) {
	t.Parallel()
	roles := map[string]app.Role{"ingest": app.RoleIngest, "worker": app.RoleWorker, "api": app.RoleAPI, "admin": app.RoleAdmin, "ops": app.RoleOps}
	seen := map[string]bool{}
	for _, s := range every(t) {
		program := filepath.Base(s.command[0])
		role, known := roles[program]
		if !known || !slices.Contains(programs(t), program) {
			t.Errorf("%s, %s: there is no program %q", s.file, s.name, s.command[0])
			continue
		}
		seen[program] = true
		if program == "ops" && !slices.Equal(s.command[1:], []string{"migrate", "up"}) && s.name != "ops" {
			t.Errorf("%s, %s: runs %q", s.file, s.name, s.command)
		}
		if _, err := app.ReadConfig(withSecrets(s.env), role); err != nil {
			t.Errorf("%s, %s: %v", s.file, s.name, err)
		}
	}
	for _, program := range programs(t) {
		if !seen[program] {
			t.Errorf("no file runs %s", program)
		}
	}
}

// withSecrets puts a value where a file names a secret, by file or by reference.
func withSecrets(env map[string]string) (environ []string) {
	values := map[string]string{"DATABASE_URL": "postgres://u:p@db/tillhook", "REDIS_URL": "redis://redis", "PAYMENT_CONFIG_ENC_KEY": testKey}
	for name, value := range env {
		if secret, isFile := strings.CutSuffix(name, "_FILE"); isFile {
			name, value = secret, values[secret]
		} else if value == "" {
			value = values[name]
		}
		environ = append(environ, name+"="+value)
	}
	return environ
}

// assigned are the names before a = at the start of a line, commented out or not.
func assigned(t *testing.T, file string) (names []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]+)=`).FindAllStringSubmatch(read(t, file), -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		t.Errorf("%s names nothing", file)
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The keys in the repository start a stack on a laptop, and nothing else.
func TestTheLocalKeyIsRefusedWhereItMatters(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"secrets/local/enc_key", "kubernetes/overlays/development/secrets/enc_key"} {
		for env, fine := range map[string]bool{"development": true, "staging": false, "production": false} {
			environ := []string{"APP_ENV=" + env, "DATABASE_URL=postgres://u:p@db/tillhook", "REDIS_URL=redis://redis", "PAYMENT_CONFIG_ENC_KEY_FILE=" + file}
			if _, err := app.ReadConfig(environ, app.RoleWorker); (err == nil) != fine {
				t.Errorf("%s in %s: %v", file, env, err)
			}
		}
	}
}

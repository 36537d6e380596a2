package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
)

// adapted is of Caddy's own configuration what matters here.
type adapted struct {
	Apps struct {
		HTTP struct {
			Servers map[string]struct{ Listen []string }
		}
	}
}

// Caddy takes the Caddyfile, as containers have it and as a single server does;
// and the panel is on an address that the world doesn't reach.
func TestCaddyTakesTheCaddyfile(t *testing.T) {
	t.Parallel()
	caddy := devstack.Tool(t, "caddy")
	compose := compose(t, read(t, "../.env.example"))
	var containers []string
	for name, value := range compose.Services["caddy"].Environment {
		containers = append(containers, name+"="+*value)
	}
	for _, c := range []struct {
		name      string
		env       []string
		listen    []string
		upstreams []string
	}{
		// The panel's port is published on the host's loopback address.
		{"containers", containers, []string{":443", "0.0.0.0:8443"}, []string{"ingest-1:3000", "ingest-2:3000", "api:3000", "admin:3001"}},
		{"one server", unitEnvironment(t, "caddy.conf"), []string{":443", "127.0.0.1:8443"},
			[]string{"127.0.0.1:3101", "127.0.0.1:3102", "127.0.0.1:3301", "127.0.0.1:3001"}},
	} {
		run := func(args ...string) string {
			cmd := exec.CommandContext(t.Context(), caddy, args...)
			home := t.TempDir()
			cmd.Env = append(c.env, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "PATH="+os.Getenv("PATH"))
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: caddy %s: %v\n%s", c.name, strings.Join(args, " "), err, stderr.String())
			}
			return string(out)
		}
		run("validate", "--config", "Caddyfile", "--adapter", "caddyfile")
		config := run("adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
		var got adapted
		if err := json.Unmarshal([]byte(config), &got); err != nil {
			t.Fatal(err)
		}
		listen := map[string]bool{}
		for _, s := range got.Apps.HTTP.Servers {
			for _, l := range s.Listen {
				listen[l] = true
			}
		}
		want := map[string]bool{}
		for _, l := range c.listen {
			want[l] = true
		}
		if diff := cmp.Diff(want, listen); diff != "" {
			t.Errorf("%s: (-want +listens)\n%s", c.name, diff)
		}
		for _, u := range c.upstreams {
			if !strings.Contains(config, `"dial":"`+u+`"`) {
				t.Errorf("%s: nothing is sent to %s", c.name, u)
			}
		}
		if formatted := run("fmt", "Caddyfile"); formatted != read(t, "Caddyfile") {
			t.Error("caddy fmt would change the Caddyfile")
		}
	}
}

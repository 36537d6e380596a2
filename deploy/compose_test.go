package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose loads docker-compose.yml as docker compose would, in a folder with the
// given .env ("" for none) and environment.
func compose(t *testing.T, dotEnv string, env ...string) *types.Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker-compose.yml")
	if err := os.WriteFile(file, []byte(read(t, "../docker-compose.yml")), 0o600); err != nil {
		t.Fatal(err)
	}
	if dotEnv != "" {
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(dotEnv), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options, err := cli.NewProjectOptions([]string{file}, cli.WithWorkingDirectory(dir), cli.WithEnv(env),
		cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"tools"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// ours are the services that run the image of deploy/Dockerfile.
func ours(p *types.Project) (all []types.ServiceConfig) {
	for _, s := range p.Services {
		if s.Build != nil {
			all = append(all, s)
		}
	}
	return all
}

func composeServices(t *testing.T) (all []service) {
	for _, s := range ours(compose(t, "")) {
		env := map[string]string{}
		for name, value := range s.Environment {
			env[name] = *value
		}
		all = append(all, service{"docker-compose.yml", s.Name, slices.Concat(s.Entrypoint, s.Command), env})
	}
	return all
}

// composeVariables are what docker-compose.yml itself takes from .env.
func composeVariables(t *testing.T) (names []string) {
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(read(t, "../docker-compose.yml"), -1) {
		names = append(names, m[1])
	}
	return names
}

func TestComposeIsWhatItPromises(t *testing.T) {
	t.Parallel()
	p := compose(t, "")
	want := []string{"admin", "api", "caddy", "ingest-1", "ingest-2", "migrate", "ops", "postgres", "redis", "worker"}
	if got := p.ServiceNames(); !slices.Equal(got, want) {
		t.Fatalf("services %v", got)
	}
	for name, s := range p.Services {
		runsOnce := name == "migrate" || name == "ops"
		switch {
		case !runsOnce && (s.HealthCheck == nil || s.HealthCheck.Disable):
			t.Errorf("%s has no health check", name)
		case !runsOnce && s.Restart != "unless-stopped", runsOnce && s.Restart != "no":
			t.Errorf("%s: restart %q", name, s.Restart)
		case s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0:
			t.Errorf("%s has no limit of memory", name)
		}
		for _, port := range s.Ports {
			if name != "caddy" || port.Target == 8443 && port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s:%d", name, port.HostIP, port.Target)
			}
		}
	}
	for _, s := range ours(p) {
		if !s.ReadOnly || s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may do more than it needs", s.Name)
		}
		if _, waits := s.DependsOn["migrate"]; !waits && s.Name != "migrate" && s.Name != "ops" {
			t.Errorf("%s does not wait for the schema", s.Name)
		}
		if delay, err := time.ParseDuration(value(s, "SHUTDOWN_DELAY")); err == nil && time.Duration(*s.StopGracePeriod) < delay+inOrder {
			t.Errorf("%s is killed after %s", s.Name, s.StopGracePeriod)
		}
		for _, secret := range s.Secrets {
			if _, named := p.Secrets[secret.Source]; !named {
				t.Errorf("%s: no secret %s", s.Name, secret.Source)
			}
		}
		for name, v := range s.Environment {
			if path, isFile := strings.CutPrefix(*v, "/run/secrets/"); isFile && !slices.ContainsFunc(s.Secrets, func(c types.ServiceSecretConfig) bool { return c.Source == path }) && needs(s.Name, name) {
				t.Errorf("%s: %s is %s, which it is not given", s.Name, name, *v)
			}
		}
	}
	for _, name := range []string{"postgres", "redis"} {
		for network := range p.Services[name].Networks {
			if !p.Networks[network].Internal {
				t.Errorf("%s is in %s, which leads outside", name, network)
			}
		}
	}
	for name, secret := range p.Secrets {
		if _, err := os.Stat(secret.File); err != nil {
			t.Errorf("secret %s: %v", name, err)
		}
	}
}

// inOrder is how long a process may take from the end of its delay to its own.
const inOrder = 10 * time.Second

// needs leaves out what is shared by all in the file and not read by some.
func needs(service, variable string) bool { return service != "api" || variable != "REDIS_URL_FILE" }

func value(s types.ServiceConfig, name string) string {
	if v := s.Environment[name]; v != nil {
		return *v
	}
	return ""
}

// With the example's settings it is production's, and the fleet is as large as is
// asked for.
func TestComposeWithTheExampleEnvironment(t *testing.T) {
	t.Parallel()
	p := compose(t, read(t, "../.env.example"), "WORKERS=3")
	if got := p.Services["worker"]; got.GetScale() != 3 || got.ContainerName != "" || len(got.Ports) != 0 {
		t.Errorf("worker: %d of them, named %q, ports %v", got.GetScale(), got.ContainerName, got.Ports)
	}
	if got := p.Secrets["enc_key"].File; got != "/etc/tillhook/secrets/enc_key" {
		t.Errorf("the key is from %s", got)
	}
	for _, s := range ours(p) {
		if got := value(s, "APP_ENV"); got != "production" {
			t.Errorf("%s: APP_ENV %q", s.Name, got)
		}
	}
	if got := value(p.Services["api"], "FRONTEND_URL"); got != "https://shop.example.com" {
		t.Errorf("FRONTEND_URL %q", got)
	}
	if got := value(p.Services["caddy"], "SITE_ADDRESS"); got != "api.example.com" {
		t.Errorf("SITE_ADDRESS %q", got)
	}
}

// What is set in .env reaches the programs, also if compose itself takes no
// notice of it; what compose decides stays.
func TestComposeHandsSettingsOn(t *testing.T) {
	t.Parallel()
	p := compose(t, "RECOVER_AFTER=7s\nPORT=1\n")
	if got := value(p.Services["worker"], "RECOVER_AFTER"); got != "7s" {
		t.Errorf("RECOVER_AFTER %q", got)
	}
	if got := value(p.Services["ingest-1"], "PORT"); got != "3000" {
		t.Errorf("PORT %q", got)
	}
}

func TestRedisKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	config := read(t, "compose/redis.conf")
	for _, line := range []string{"appendonly yes", "maxmemory-policy noeviction"} {
		if !slices.Contains(strings.Split(config, "\n"), line) {
			t.Errorf("redis.conf lacks %q", line)
		}
	}
}

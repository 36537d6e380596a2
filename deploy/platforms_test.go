package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"
)

func renderServices(t *testing.T) (all []service) {
	const file = "paas/render.yaml"
	var f renderFile
	if err := yaml.UnmarshalStrict([]byte(read(t, file)), &f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	databases, caches, groups := map[string]bool{}, map[string]bool{}, map[string][]renderVar{}
	for _, d := range f.Databases {
		databases[d.Name] = true
	}
	for _, g := range f.EnvVarGroups {
		groups[g.Name] = g.EnvVars
	}
	for _, s := range f.Services {
		if s.Type == "keyvalue" {
			caches[s.Name] = true
			if s.MaxmemoryPolicy != "noeviction" {
				t.Errorf("%s: %s drops tasks when it is full", file, s.Name)
			}
		}
	}
	for _, s := range f.Services {
		if s.Type == "keyvalue" {
			continue
		}
		env := map[string]string{}
		for _, v := range s.EnvVars {
			for _, shared := range groups[v.FromGroup] {
				env[shared.Key] = shared.Value
			}
			switch {
			case v.FromGroup != "" && groups[v.FromGroup] == nil, v.FromDatabase != nil && !databases[v.FromDatabase.Name],
				v.FromService != nil && !caches[v.FromService.Name]:
				t.Errorf("%s: %s takes a value from what isn't there: %+v", file, s.Name, v)
			case v.Key != "":
				env[v.Key] = v.Value
			}
		}
		exists(t, file, "../"+s.DockerfilePath)
		all = append(all, service{file, s.Name, strings.Fields(s.DockerCommand), env})
		if s.PreDeployCommand != "" {
			all = append(all, service{file, s.Name + " before", strings.Fields(s.PreDeployCommand), env})
		}
	}
	return all
}

func flyServices(t *testing.T) (all []service) {
	const file = "paas/fly.toml"
	var f flyFile
	d := toml.NewDecoder(strings.NewReader(read(t, file))).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	exists(t, file, "paas/"+f.Build.Dockerfile)
	env := map[string]string{"DATABASE_URL": "", "REDIS_URL": "", "PAYMENT_CONFIG_ENC_KEY": ""} // fly secrets set
	for name, value := range f.Env {
		env[name] = value
	}
	for name, command := range f.Processes {
		all = append(all, service{file, name, strings.Fields(command), env})
	}
	named := append(append([]string{}, f.HTTPService.Processes...), f.Metrics.Processes...)
	for _, s := range f.Services {
		named = append(named, s.Processes...)
	}
	for _, vm := range f.VM {
		named = append(named, vm.Processes...)
	}
	for _, process := range named {
		if f.Processes[process] == "" {
			t.Errorf("%s: there is no process %s", file, process)
		}
	}
	return append(all, service{file, "release", strings.Fields(f.Deploy.ReleaseCommand), env})
}

func railwayServices(t *testing.T) (all []service) {
	for _, file := range []string{"paas/railway.json", "paas/railway.worker.json", "paas/railway.api.json"} {
		var f railwayFile
		strictly(t, file, &f)
		exists(t, file, "../"+f.Build.DockerfilePath)
		// Its variables are set in its dashboard: those that every service needs.
		env := map[string]string{"DATABASE_URL": "", "REDIS_URL": "", "PAYMENT_CONFIG_ENC_KEY": "", "FRONTEND_URL": "https://shop.example.com"}
		for _, command := range append(f.Deploy.PreDeployCommand, f.Deploy.StartCommand) {
			all = append(all, service{file, command, strings.Fields(command), env})
		}
	}
	return all
}

// herokuOnly are read by its buildpacks, not by us.
var herokuOnly = []string{"PROCFILE", "GO_INSTALL_PACKAGE_SPEC"}

// unverifiedRedis is how a program gets to Heroku's Redis, which has signed its own
// certificate.
const unverifiedRedis = `REDIS_URL="$REDIS_URL?skip_verify=true" `

func herokuServices(t *testing.T) (all []service) {
	var f herokuFile
	strictly(t, "paas/app.json", &f)
	env := map[string]string{"DATABASE_URL": "", "REDIS_URL": ""} // of its add-ons
	for name, v := range f.Env {
		env[name] = v.Value
	}
	for _, name := range herokuOnly {
		if env[name] == "" {
			t.Errorf("app.json: %s is missing", name)
		}
		delete(env, name)
	}
	env["FRONTEND_URL"] = "https://shop.example.com" // which it asks for
	kinds := map[string]bool{}
	for _, file := range []string{"paas/Procfile", "paas/Procfile.api"} {
		for _, m := range regexp.MustCompile(`(?m)^(\w+): (.+)$`).FindAllStringSubmatch(read(t, file), -1) {
			kinds[m[1]] = true
			command, unverified := strings.CutPrefix(m[2], unverifiedRedis)
			if needs := strings.HasPrefix(command, "bin/ingest") || strings.HasPrefix(command, "bin/worker"); needs != unverified {
				t.Errorf("%s: %s reaches no Redis whose certificate is its own, or needs none", file, m[1])
			}
			all = append(all, service{file, m[1], strings.Fields(command), env})
		}
		if strings.Count(strings.TrimSpace(read(t, file)), "\n")+1 != strings.Count(read(t, file), ": ") {
			t.Errorf("%s has a line that is no process", file)
		}
	}
	for kind := range f.Formation {
		if !kinds[kind] {
			t.Errorf("app.json: there is no process %s", kind)
		}
	}
	for _, program := range programs(t) {
		if !strings.Contains(f.Env["GO_INSTALL_PACKAGE_SPEC"].Value, "./cmd/"+program) {
			t.Errorf("app.json does not have %s built", program)
		}
	}
	return all
}

func strictly(t *testing.T, file string, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(read(t, file))))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func exists(t *testing.T, file, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// A fork's gate is this one: its workflow does what .ci/run does, and each action
// is the very one that was looked at.
func TestTheWorkflowRunsTheGate(t *testing.T) {
	t.Parallel()
	var f struct {
		Jobs map[string]struct {
			Container string
			Steps     []struct{ Uses, Run string }
		}
	}
	text := read(t, "../.github/workflows/ci.yml")
	if err := yaml.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	gate := f.Jobs["gate"]
	if !strings.Contains(read(t, "Dockerfile"), "FROM --platform=$BUILDPLATFORM "+gate.Container+" ") {
		t.Errorf("it runs in %s, and the image is built in another", gate.Container)
	}
	if last := gate.Steps[len(gate.Steps)-1].Run; last != "bash .ci/run" {
		t.Errorf("its last step is %q", last)
	}
	for _, s := range gate.Steps {
		if s.Uses != "" && !regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`).MatchString(s.Uses) {
			t.Errorf("%s is not pinned", s.Uses)
		}
	}
}

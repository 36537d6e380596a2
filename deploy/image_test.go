package deploy_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const builtVersion = "1.2.3-test"

// dockerfile is deploy/Dockerfile by its instructions, stage by stage.
func dockerfile(t *testing.T) (stages [][]*parser.Node) {
	t.Helper()
	f, err := os.Open("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	result, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range result.AST.Children {
		if strings.EqualFold(n.Value, "FROM") {
			stages = append(stages, nil)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], n)
	}
	return stages
}

// words are an instruction's arguments.
func words(n *parser.Node) (all []string) {
	for n = n.Next; n != nil; n = n.Next {
		all = append(all, n.Value)
	}
	return all
}

func TestTheImageIsSmallAndNobodys(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	last := stages[len(stages)-1]
	said := map[string][]string{}
	for _, n := range last {
		said[strings.ToUpper(n.Value)] = words(n)
	}
	if len(stages) != 2 || said["FROM"][0] != "scratch" || said["USER"][0] != "65532:65532" || said["CMD"][0] != "/bin/ingest" {
		t.Errorf("%d stages, the last is %v", len(stages), said)
	}
	goVersion := ""
	for line := range strings.Lines(read(t, "../go.mod")) {
		if v, found := strings.CutPrefix(line, "go "); found {
			goVersion = strings.TrimSpace(v)
		}
	}
	if from := words(stages[0][0]); !slices.Contains(from, "golang:"+goVersion+"-bookworm") {
		t.Errorf("it is built from %v, go.mod wants %s", from, goVersion)
	}
	for _, program := range programs(t) {
		if !strings.Contains(read(t, "Dockerfile"), "./cmd/"+program) {
			t.Errorf("the image lacks %s", program)
		}
	}
}

// runSteps runs the first stage's RUN instructions in a clean clone at dir, less
// what .dockerignore names, with its ENV and ARG, as plain shell commands. The
// programs end up in the returned folder.
func runSteps(t *testing.T, dir string, env ...string) string {
	t.Helper()
	if out, err := exec.Command("git", "clone", "-q", "..", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(read(t, "../.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "*") {
			if err := os.RemoveAll(filepath.Join(dir, line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := t.TempDir()
	environ := append(os.Environ(), env...)
	given := map[string]string{"OUT": out, "VERSION": builtVersion}
	for _, n := range dockerfile(t)[0] {
		args := words(n)
		switch strings.ToUpper(n.Value) {
		case "ENV": // name, value, separator
			for i := 0; i+1 < len(args); i += 3 {
				environ = append(environ, args[i]+"="+args[i+1])
			}
		case "ARG":
			name, value, _ := strings.Cut(args[0], "=")
			if v, found := given[name]; found {
				value = v
			}
			environ = append(environ, name+"="+value)
		case "RUN":
			c := exec.CommandContext(t.Context(), "/bin/sh", "-c", args[0])
			c.Dir, c.Env = dir, environ
			if said, err := c.CombinedOutput(); err != nil {
				t.Fatalf("RUN %s: %v\n%s", args[0], err, said)
			}
		}
	}
	return out
}

// The image's steps work outside of any container; what they make needs nothing
// of the system, starts, and is the same wherever it was made.
func TestTheImagesProgramsAreStaticStartAndCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	first := runSteps(t, filepath.Join(t.TempDir(), "one"))
	for _, program := range programs(t) {
		path := filepath.Join(first, program)
		static(t, path)
		if got := start(t, path, nil, "--version"); !strings.HasPrefix(got, "tillhook "+builtVersion+" go") {
			t.Errorf("%s --version: %s", program, got)
		}
		if got := start(t, path, nil, "--help"); !strings.HasPrefix(got, program+" ") && !strings.Contains(got, "ops [command]") {
			t.Errorf("%s --help: %s", program, got)
		}
		args := []string{}
		if program == "ops" {
			args = []string{"migrate", "status"}
		}
		c := exec.Command(path, args...)
		c.Env = []string{"APP_ENV=production"}
		said, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "DATABASE_URL: missing") {
			t.Errorf("%s without a configuration: %v\n%s", program, err, said)
		}
	}
	// Another folder and another cache: nothing of the first is there to be found.
	again := runSteps(t, filepath.Join(t.TempDir(), "another", "place"), "GOCACHE="+t.TempDir())
	for _, program := range programs(t) {
		if a, b := sum(t, filepath.Join(first, program)), sum(t, filepath.Join(again, program)); a != b {
			t.Errorf("%s was made twice, and differs", program)
		}
	}
}

// static reports a program that needs a loader or a library, or tells where it
// was made.
func static(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s has a %s", path, p.Type)
		}
	}
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("%s needs %v", path, libraries)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte(t.Name())) || bytes.Contains(content, []byte("/root/")) {
		t.Errorf("%s names a folder of this machine", path)
	}
}

func start(t *testing.T, path string, env []string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), path, args...)
	c.Env = append([]string{"PATH="}, env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v", path, args, err)
	}
	return string(out)
}

func sum(t *testing.T, path string) string {
	t.Helper()
	return fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, path))))
}

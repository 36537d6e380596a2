package app_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The three rings. What a package of ours may import of ours: itself and what
// is below it, never sideways into another stage or adapter.
var rings = map[string][]string{
	"db": {},
	// Only tests, of what the deployment's files say.
	"deploy": {},

	"pkg/event":     {},
	"pkg/order":     {"pkg/event"},
	"pkg/batch":     {},
	"pkg/telemetry": {},
	"pkg/health":    {},
	"pkg/web":       {},

	"pkg/secret":   {},
	"pkg/stripe":   {"pkg/event", "pkg/order"},
	"pkg/queue":    {"pkg/batch", "pkg/event"},
	"pkg/postgres": {"db", "pkg/event", "pkg/order"},

	"pkg/ingest": {"pkg/batch", "pkg/event", "pkg/telemetry", "pkg/web"},
	"pkg/worker": {"pkg/batch", "pkg/event", "pkg/order", "pkg/telemetry"},
	"pkg/api":    {"pkg/api/widget", "pkg/batch", "pkg/event", "pkg/order", "pkg/telemetry", "pkg/web"},

	"pkg/api/widget": {},

	"pkg/admin": {"pkg/event", "pkg/order", "pkg/web"},

	"pkg/app": {"pkg/admin", "pkg/api", "pkg/event", "pkg/health", "pkg/ingest", "pkg/order", "pkg/postgres", "pkg/queue", "pkg/secret", "pkg/stripe", "pkg/telemetry", "pkg/worker"},

	"pkg/stripetest":  {"pkg/order"},
	"pkg/devstack":    {},
	"pkg/browsertest": {"pkg/devstack"},
	"pkg/app/dev": {"pkg/app", "pkg/bench", "pkg/devstack", "pkg/event", "pkg/order", "pkg/postgres", "pkg/secret",
		"pkg/stripetest", "pkg/telemetry"},
	"pkg/bench":           {"pkg/app", "pkg/bench/reference", "pkg/devstack", "pkg/event", "pkg/order", "pkg/postgres", "pkg/queue", "pkg/secret", "pkg/stripetest"},
	"pkg/bench/reference": {},

	"cmd/ingest": {"pkg/app"},
	"cmd/worker": {"pkg/app"},
	"cmd/api":    {"pkg/app"},
	"cmd/admin":  {"pkg/app"},
	"cmd/ops":    {"pkg/app"},
	"cmd/dev":    {"pkg/app", "pkg/app/dev"},
}

// One technology, one importer, so that no SDK's type is in anyone else's
// signatures.
//
// pkg/bench/reference is what the product is measured against, and so written
// as most would: with each of these directly.
var importers = map[string][]string{
	"github.com/stripe/stripe-go/v76": {"pkg/stripe", "pkg/bench/reference"},
	"github.com/hibiken/asynq":        {"pkg/queue", "pkg/bench/reference"},
	// bench asks Redis what it has used, and empties its own databases there.
	"github.com/redis/go-redis/v9": {"pkg/queue", "pkg/bench"},
	// A task that asynq couldn't read is not handed to it.
	"google.golang.org/protobuf/encoding/protowire": {"pkg/queue"},
	"github.com/jmoiron/sqlx":                       {"pkg/postgres", "pkg/bench/reference"},
	// devstack makes tests' databases, before there is a schema to speak of;
	// bench makes its own, and listens for orders that are paid.
	"github.com/lib/pq":        {"pkg/postgres", "pkg/devstack", "pkg/bench", "pkg/bench/reference"},
	"github.com/pressly/goose": {"pkg/postgres"},
	"github.com/labstack/echo": {"pkg/ingest", "pkg/api", "pkg/admin", "pkg/web", "pkg/bench/reference"},
	// The queues' own web pages: an http.Handler by the time that the panel has it.
	"github.com/hibiken/asynqmon": {"pkg/queue"},
	"github.com/spf13/cobra":      {"pkg/app", "pkg/app/dev"},
	"github.com/spf13/pflag":      {"pkg/app"},
	"github.com/caarlos0/env":     {"pkg/app"},
	"github.com/alicebob":         {"pkg/devstack"}, // miniredis
	"github.com/fergusstrange":    {"pkg/devstack"}, // embedded-postgres
	"github.com/chromedp":         {"pkg/browsertest"},
	// bench reads from /proc what each process uses.
	"github.com/prometheus/procfs": {"pkg/bench"},
	"github.com/prometheus":        {"pkg/telemetry", "pkg/app"},
	"go.opentelemetry.io/otel":     {"pkg/telemetry"},
	"github.com/hashicorp":         {"pkg/ingest", "pkg/api"},
	"github.com/google/uuid":       {"pkg/ingest", "pkg/worker"},
	"golang.org/x":                 {"pkg/ingest", "pkg/api", "pkg/stripe", "pkg/secret", "pkg/app", "pkg/app/dev", "pkg/bench", "pkg/bench/reference"},
}

// core may not even reach for the operating system.
var coreStdlib = []string{"cmp", "errors", "fmt", "slices", "strings", "time", "encoding/json", "maps", "sort"}

func TestTheRingsHold(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "tillhook/")
		allowed, known := rings[name]
		if !known {
			t.Errorf("%s is in no ring: add it to the table, and to the picture in the design", name)
			continue
		}
		seen[name] = true
		for _, path := range p.Imports {
			ours, isOurs := strings.CutPrefix(path, "tillhook/")
			switch {
			case isOurs && !slices.Contains(allowed, ours):
				t.Errorf("%s imports %s, which is not below it", name, ours)
			case !isOurs && strings.Contains(path, ".") && !mayImport(t, name, path):
				t.Errorf("%s imports %s", name, path)
			case (name == "pkg/event" || name == "pkg/order") && !isOurs && !slices.Contains(coreStdlib, path):
				t.Errorf("the core's %s imports %s", name, path)
			}
		}
	}
	for name := range rings {
		if !seen[name] {
			t.Errorf("%s is in the table, but there is no such package", name)
		}
	}
}

// Only cmd/dev may carry what is made for tests.
func TestServicesLinkNoTestCode(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.ImportPath, "tillhook/cmd/") || p.ImportPath == "tillhook/cmd/dev" {
			continue
		}
		for _, dep := range p.Deps {
			for _, banned := range []string{"tillhook/pkg/devstack", "tillhook/pkg/stripetest", "tillhook/pkg/browsertest", "tillhook/pkg/bench", "testing", "github.com/alicebob/", "github.com/fergusstrange/", "github.com/Shopify/",
				"k8s.io/", "sigs.k8s.io/", "github.com/compose-spec/", "github.com/moby/", "github.com/pelletier/"} {
				if dep == banned || strings.HasSuffix(banned, "/") && strings.HasPrefix(dep, banned) {
					t.Errorf("%s links %s", p.ImportPath, dep)
				}
			}
		}
	}
}

func mayImport(t *testing.T, name, path string) bool {
	t.Helper()
	longest := ""
	for module := range importers {
		if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(longest) {
			longest = module
		}
	}
	if longest == "" {
		t.Errorf("%s: say in the table who may import %s", name, path)
		return true
	}
	return slices.Contains(importers[longest], name)
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func packages(t *testing.T) (all []goPackage) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "tillhook/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

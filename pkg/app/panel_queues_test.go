package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tillhook/pkg/queue"
)

// queueRoute is one thing that the queues' own pages can ask for.
type queueRoute struct{ method, path string }

// queueRoutes are all of them, as the source of that version has them: one that
// is new there is new here.
func queueRoutes(t *testing.T) (all []queueRoute) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/hibiken/asynqmon").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "handler.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("{qname}", "low", "{task_id}", "x", "{gname}", "g", "{entry_id}", "e")
	for _, m := range regexp.MustCompile(`api\.HandleFunc\("([^"]+)",.*\.Methods\("(\w+)"\)`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, queueRoute{m[2], "/admin/queues/ui/api" + names.Replace(m[1])})
	}
	if registered := strings.Count(string(source), "api.HandleFunc("); len(all) != registered || registered < 60 {
		t.Fatalf("%d of %d routes were found", len(all), registered)
	}
	return all
}

// A viewer reads all there is of the queues, and changes nothing in any way
// that those pages know; nor does a site that an operator has open beside them.
func TestNoViewerChangesAQueue(t *testing.T) {
	t.Parallel()
	p := panelAlone(t)
	vito, anna, stranger := p.signedIn("vito@example.com"), p.signedIn("anna@example.com"), p.browser()
	tasks, err := queue.Open(p.cfg.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	readOnly := tasks.Monitor("/admin/queues/ui", true)
	t.Cleanup(func() {
		if err := readOnly.Close(); err != nil {
			t.Error(err)
		}
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	})
	reads, writes := 0, 0
	for _, r := range queueRoutes(t) {
		for _, method := range []string{r.method, http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodPatch} {
			stranger.request(method, r.path, nil)
			if stranger.status != http.StatusUnauthorized && stranger.status != http.StatusMethodNotAllowed {
				t.Errorf("a stranger's %s %s: %d", method, r.path, stranger.status)
			}
			vito.request(method, r.path, nil)
			may := method == http.MethodGet
			if refused := vito.status == http.StatusForbidden || vito.status == http.StatusMethodNotAllowed; refused == may {
				t.Errorf("a viewer's %s %s: %d", method, r.path, vito.status)
			}
		}
		if r.method == http.MethodGet {
			reads++
			continue
		}
		writes++
		anna.origin = "https://evil.example"
		if anna.request(r.method, r.path, nil); anna.status != http.StatusForbidden {
			t.Errorf("another site's %s %s: %d", r.method, r.path, anna.status)
		}
		// Were the panel to let it through, the pages would refuse it.
		rec := httptest.NewRecorder()
		readOnly.ServeHTTP(rec, httptest.NewRequest(r.method, r.path, nil))
		if rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("read-only, %s %s: %d", r.method, r.path, rec.Code)
		}
	}
	if reads < 12 || writes < 45 {
		t.Errorf("%d reads and %d writes", reads, writes)
	}
	if n := p.scalar(`SELECT count(*)::text FROM "AuditEntry" WHERE action = 'panel: queues'`); n != "0" {
		t.Errorf("%s audit lines of changes", n)
	}
}

package devstack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// mavenJar packs files as Maven's embedded-postgres archives are: a zip that
// holds a tar that xz has compressed. Their modes are closed to others, as a
// strict umask would make them.
func mavenJar(t *testing.T, files map[string]string) []byte {
	t.Helper()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skipf("xz, which makes the archive to be fetched, is not on this machine: %v", err)
	}
	var plain, packed, jar bytes.Buffer
	archive := tar.NewWriter(&plain)
	for name, text := range files {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o700, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	xz := exec.Command("xz", "--stdout")
	xz.Stdin, xz.Stdout = &plain, &packed
	if err := xz.Run(); err != nil {
		t.Fatal(err)
	}
	whole := zip.NewWriter(&jar)
	entry, err := whole.Create("postgres.txz")
	if err == nil {
		_, err = entry.Write(packed.Bytes())
	}
	if err == nil {
		err = whole.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

// mavenServer serves jar, whatever version is asked for, and counts.
func mavenServer(t *testing.T, jar []byte, fetched *atomic.Int32) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/io/zonky/test/postgres/embedded-postgres-binaries-"):
			http.NotFound(w, r)
		case strings.HasSuffix(r.URL.Path, ".sha256"):
			fmt.Fprintf(w, "%x", sha256.Sum256(jar))
		default:
			fetched.Add(1)
			_, _ = w.Write(jar)
		}
	}))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections() // the library's
		server.Close()
	})
	return server
}

// On a machine without PostgreSQL it is fetched, once, and then runs like any
// other. The archive's programs hand over to this machine's: what is tested is
// the way to them.
func TestPostgresIsFetched(t *testing.T) {
	t.Parallel()
	here := OwnPostgres(t)
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"share/postgresql/README": "not needed here"}
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		files["bin/"+name] = "#!/bin/sh\nexec " + filepath.Join(here.cluster.programs.dir, name) + " \"$@\"\n"
	}
	var fetched atomic.Int32
	server := mavenServer(t, mavenJar(t, files), &fetched)
	dir := openDir(t)
	cfg := Config{Dir: dir, PostgresRepository: server.URL, places: []string{}}

	var both sync.WaitGroup
	for range 2 { // two packages' tests begin on a fresh machine
		both.Go(func() {
			p, err := StartPostgres(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			query(t, p.URL, "SELECT 1")
			if want := " in " + fetchedPrograms(dir); !strings.HasSuffix(p.From, want) {
				t.Errorf("got %q, want it to end with %q", p.From, want)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := fetched.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "fetch-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

func TestPostgresThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	other := mavenServer(t, mavenJar(t, map[string]string{"bin/pg_ctl": "#!/bin/sh\n"}), &fetched)
	for repository, want := range map[string]string{
		elsewhere.URL: "no version found matching " + string(fetchedVersion),
		other.URL:     "initdb",
	} {
		dir := openDir(t)
		_, err := StartPostgres(t.Context(), Config{Dir: dir, PostgresRepository: repository, places: []string{}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "apt-get install postgresql") {
			t.Errorf("got %v, want it to contain %q", err, want)
		}
		if !missing(filepath.Dir(fetchedPrograms(dir))) {
			t.Error("something was put in the place of PostgreSQL")
		}
	}
}

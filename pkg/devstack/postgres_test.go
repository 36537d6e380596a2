package devstack

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPostgresSurvivesStopAndKill(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	query(t, p.URL, "CREATE TABLE note (text text)")
	query(t, p.URL, "INSERT INTO note VALUES ('first')")
	notes := func() string { return query(t, p.URL, "SELECT string_agg(text, ' ' ORDER BY text) FROM note") }

	for _, outage := range []func() error{p.Stop, p.Kill} {
		if err := outage(); err != nil {
			t.Fatal(err)
		}
		if _, err := tryQuery(t.Context(), p.URL, "SELECT 1"); err == nil {
			t.Fatal("a stopped server answers")
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		query(t, p.URL, "INSERT INTO note VALUES ('later')") // and the next outage comes right after the commit
	}
	if diff := cmp.Diff("first later later", notes()); diff != "" {
		t.Error(diff)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Errorf("starting a running server: %v", err)
	}
}

func TestPostgresClosesForGood(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	folder, pid := p.cluster.folder.path, p.server.pid
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if running(pid) {
		t.Error("the server runs on after Kill")
	}
	if err := p.Kill(); err == nil {
		t.Error("a dead server was killed")
	}
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if !missing(folder) {
		t.Errorf("%s is left", folder)
	}
	if err := p.Start(t.Context()); err == nil {
		t.Error("a closed server was started")
	}
}

// Who is on the machine must not get in: no socket, loopback only, and a
// password that is not written where everyone can read it.
func TestPostgresIsClosedToStrangers(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	got := map[string]string{}
	for _, name := range []string{"listen_addresses", "unix_socket_directories", "password_encryption", "server_encoding", "lc_collate", "timezone", "fsync", "synchronous_commit", "max_connections"} {
		got[name] = query(t, p.URL, "SHOW "+name)
	}
	want := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "password_encryption": "scram-sha-256", "server_encoding": "UTF8",
		"lc_collate": "C", "timezone": "UTC", "fsync": "off", "synchronous_commit": "on", "max_connections": "300",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stranger, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	stranger.User = url.UserPassword(superuser, "guess")
	if _, err := tryQuery(t.Context(), stranger.String(), "SELECT 1"); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("with a wrong password: %v", err)
	}
	for _, path := range []string{p.cluster.folder.path, p.cluster.passwordFile(), p.cluster.folder.log()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}

func TestPostgresOfTheEnvironmentIsLeftAlone(t *testing.T) {
	t.Parallel()
	p, err := StartPostgres(t.Context(), Config{DatabaseURL: "postgres://elsewhere/db"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"postgres://elsewhere/db", "DATABASE_URL"}, []string{p.URL, p.From}); diff != "" {
		t.Error(diff)
	}
	for name, err := range map[string]error{"Stop": p.Stop(), "Kill": p.Kill(), "Start": p.Start(t.Context())} {
		if err == nil {
			t.Errorf("%s touched it", name)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// standIn makes programs that answer --version like PostgreSQL 99 and otherwise
// run the given shell lines.
func standIn(t *testing.T, initdb, postgres string) string {
	t.Helper()
	dir := openDir(t)
	const version = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'postgres (PostgreSQL) 99.1 (stand-in)' && exit\n"
	for name, lines := range map[string]string{"initdb": initdb, "postgres": postgres} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(version+lines+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPostgresErrorsShowTheLog(t *testing.T) {
	t.Parallel()
	const makeData = `mkdir -p "$2"` // initdb --pgdata FOLDER
	tests := map[string]struct{ initdb, postgres, want string }{
		"initdb fails":        {"echo no space left; exit 3", "exit 0", "running initdb: it ended with status 3; its log ends:\n\tno space left"},
		"server ends at once": {makeData, "echo cannot map memory; exit 1", "starting PostgreSQL 99.1 in %s: it ended before it was ready; its log ends:\n\tcannot map memory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, place := openDir(t), standIn(t, test.initdb, test.postgres)
			_, err := StartPostgres(t.Context(), Config{Dir: dir, places: []string{place}})
			if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(test.want, "%s", place)) {
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
			left, err := filepath.Glob(filepath.Join(dir, "run", "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("%v is left (%v)", left, err)
			}
		})
	}
}

// A server that hangs is given up with the caller's context, and ended.
func TestPostgresStartObeysItsContext(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	started := filepath.Join(dir, "run", "started")
	place := standIn(t, `mkdir -p "$2"`, "mkfifo "+started+"; read -r forever <"+started)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := StartPostgres(ctx, Config{Dir: dir, places: []string{place}})
		failed <- err
	}()
	eventually(t, "the stand-in's start", func() bool { return !missing(started) })
	cancel()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestPostgresLosesItsPortAndTakesAnother(t *testing.T) {
	t.Parallel()
	first := OwnPostgres(t)
	ports := []int{first.cluster.port}
	second := OwnPostgres(t)
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	err := onFreePort(t.Context(), func(ctx context.Context, port int) error {
		if len(ports) == 1 { // what the race comes down to: the port is somebody else's by now
			ports = append(ports, port)
			port = first.cluster.port
		}
		second.cluster.port = port
		return second.Start(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if second.cluster.port == first.cluster.port {
		t.Error("both servers have one port")
	}
	query(t, second.cluster.url(), "SELECT 1")
}

func TestProgramsOrder(t *testing.T) {
	t.Parallel()
	got := newestFirst([]string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin", "/opt/postgresql/bin", "/usr/lib/postgresql/16/bin"})
	want := []string{"/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9.6/bin", "/opt/postgresql/bin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgramsThatWillNotDoArePassedOver(t *testing.T) {
	t.Parallel()
	as, err := pickServerUser()
	if err != nil {
		t.Fatal(err)
	}
	good, old, broken := standIn(t, "", ""), openDir(t), openDir(t)
	for dir, script := range map[string]string{old: "#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n", broken: "#!/bin/sh\nexit 127\n"} {
		for _, name := range []string{"postgres", "initdb"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := findPrograms(t.Context(), Config{places: []string{openDir(t), old, broken, good}}, openDir(t), as)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("PostgreSQL 99.1 in "+good, got.String()); diff != "" {
		t.Error(diff)
	}
}

// What this machine has is found without help, wherever it is.
func TestProgramsOfThisMachine(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("postgres"); err != nil {
		if dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); err != nil || len(dirs) == 0 {
			// Then it is fetched, which every other test here does as well.
			t.Skip("PostgreSQL is not on this machine")
		}
	}
	p := OwnPostgres(t)
	got := query(t, p.URL, "SHOW server_version")
	if !strings.HasPrefix(p.From, "PostgreSQL "+strings.Fields(got)[0]+" in /") {
		t.Errorf("the server says %q, we say %q", got, p.From)
	}
}

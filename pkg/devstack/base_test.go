package devstack

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The servers' user must be able to pass every folder above its files.
func TestBaseMustBePassable(t *testing.T) {
	t.Parallel()
	top := openDir(t)
	open, closed := filepath.Join(top, "open"), filepath.Join(top, "closed")
	for path, mode := range map[string]os.FileMode{open: 0o711, closed: 0o700} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(open, "link")
	if err := os.Symlink(closed, link); err != nil {
		t.Fatal(err)
	}
	other := serverUser{name: "somebody", switched: true}
	for _, test := range []struct {
		dir  string
		as   serverUser
		want bool
	}{
		{filepath.Join(open, "not", "there", "yet"), other, true},
		{filepath.Join(closed, "tillhook"), other, false},
		{filepath.Join(closed, "not", "there", "yet"), other, false},
		{filepath.Join(link, "tillhook"), other, false},
		{filepath.Join(closed, "tillhook"), serverUser{}, true}, // we run the servers ourselves
	} {
		if err := traversable(test.dir, test.as); (err == nil) != test.want {
			t.Errorf("%s for %q: %v", test.dir, test.as.name, err)
		}
	}
}

// Not parallel: it changes the environment.
func TestBaseWithoutAHome(t *testing.T) {
	as, err := pickServerUser()
	if err != nil {
		t.Fatal(err)
	}
	temporary := openDir(t)
	t.Setenv("TMPDIR", temporary)
	t.Setenv("XDG_CACHE_HOME", "")
	for _, home := range []string{"", "/dev/null"} {
		t.Setenv("HOME", home)
		dir, err := Config{}.base(as)
		if err != nil {
			t.Fatalf("HOME=%q: %v", home, err)
		}
		want := filepath.Join(temporary, "tillhook-"+strconv.Itoa(os.Geteuid()))
		if as.switched {
			want = "/var/cache/tillhook"
		}
		if dir != want {
			t.Errorf("HOME=%q gives %s, want %s", home, dir, want)
		}
	}
}

// In the temporary folder anyone may have put programs for us to run.
func TestBaseOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := ours(dir); err != nil {
		t.Errorf("our own: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	refused := []string{link}
	if os.Geteuid() == 0 {
		theirs := filepath.Join(dir, "theirs")
		if err := os.Mkdir(theirs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(theirs, 1, 1); err != nil {
			t.Fatal(err)
		}
		refused = append(refused, theirs)
	} else {
		refused = append(refused, "/")
	}
	for _, path := range refused {
		if err := ours(path); err == nil {
			t.Errorf("%s is taken for ours", path)
		}
	}
}

func TestServersDoNotRunAsRoot(t *testing.T) {
	t.Parallel()
	as, err := pickServerUser()
	if err != nil {
		t.Fatal(err)
	}
	if as.uid == 0 {
		t.Error("the servers' user is root")
	}
	if as.switched != (os.Geteuid() == 0) {
		t.Errorf("switched is %v for uid %d", as.switched, os.Geteuid())
	}
}

func TestStack(t *testing.T) {
	t.Parallel()
	var lines []string
	stack, err := Start(t.Context(), Config{Dir: openDir(t), Log: func(format string, _ ...any) { lines = append(lines, format) }})
	if err != nil {
		t.Fatal(err)
	}
	query(t, stack.DatabaseURL, "SELECT 1")
	ask(t, stack.RedisURL, "PING")
	if len(lines) != 2 || stack.PostgresFrom == "" || stack.RedisFrom == "" {
		t.Errorf("%q, %q, %q", lines, stack.PostgresFrom, stack.RedisFrom)
	}
	for range 2 {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := pingRedis(t.Context(), stack.RedisURL); err == nil {
		t.Error("Redis runs on")
	}
}

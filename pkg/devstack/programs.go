package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest PostgreSQL that will do: since 14 there is lz4 for
// stored payloads. What is older is passed over.
const oldestMajor = 14

// programs is an installed PostgreSQL server.
type programs struct {
	dir     string // holds postgres and initdb
	version string
	major   int
}

func (p programs) String() string { return fmt.Sprintf("PostgreSQL %s in %s", p.version, p.dir) }

// findPrograms returns the first usable PostgreSQL server of this machine, or
// else fetches one into base.
func findPrograms(ctx context.Context, cfg Config, base string, as serverUser) (programs, error) {
	places := cfg.places
	if places == nil {
		places = usualPlaces(ctx)
	}
	places = append(slices.Clone(places), fetchedPrograms(base))
	var faults []error
	for _, dir := range places {
		if !executable(filepath.Join(dir, "postgres")) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		found, err := inspect(ctx, dir, as)
		if err == nil {
			return found, nil
		}
		faults = append(faults, err)
	}
	dir, err := fetch(ctx, cfg, base)
	if err != nil {
		return programs{}, errors.Join(append(faults, err)...)
	}
	return inspect(ctx, dir, as)
}

// usualPlaces lists the folders where packages put the server's programs, most
// of which are in nobody's PATH.
func usualPlaces(ctx context.Context) []string {
	var places []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil { // often there is no initdb beside the link
			places = append(places, filepath.Dir(real))
		}
		places = append(places, filepath.Dir(path))
	}
	if dir, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		places = append(places, strings.TrimSpace(string(dir)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // the PostgreSQL project's packages for Red Hat
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // only a malformed pattern fails
		}
		places = append(places, newestFirst(dirs)...)
	}
	return places
}

var number = regexp.MustCompile(`\d+`)

// newestFirst sorts folders by the version number in their name, 16 before 9.6.
// One without a number ("latest", Homebrew's plain "postgresql") comes last.
func newestFirst(dirs []string) []string {
	version := func(dir string) int {
		n, err := strconv.Atoi(number.FindString(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return dirs
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^\s]*)`)

// inspect asks postgres for its version, as the user who is going to run it: a
// program below /root answers root but cannot be run by the server's user.
func inspect(ctx context.Context, dir string, as serverUser) (programs, error) {
	ask := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	ask.Dir, ask.Env, ask.SysProcAttr = "/", childEnv(), as.attributes()
	out, err := ask.CombinedOutput()
	if err != nil {
		return programs{}, fmt.Errorf("asking %s for its version: %w: %s", ask.Path, err, strings.TrimSpace(string(out)))
	}
	match := versionLine.FindStringSubmatch(string(out))
	if match == nil {
		return programs{}, fmt.Errorf("asking %s for its version: it says %q", ask.Path, out)
	}
	major, err := strconv.Atoi(match[2])
	if err != nil {
		return programs{}, err
	}
	if major < oldestMajor {
		return programs{}, fmt.Errorf("%s is version %s: at least %d is needed", ask.Path, match[1], oldestMajor)
	}
	return programs{dir: dir, version: match[1], major: major}, nil
}

package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// fetchedVersion is what is fetched when the machine has no PostgreSQL: the
// major version of Debian 12, lest something newer be relied on by accident.
const fetchedVersion = embeddedpostgres.V15

// mavenCentral is where the project behind embedded-postgres publishes.
const mavenCentral = "https://repo1.maven.org/maven2"

// fetchedPrograms is where fetch puts postgres and initdb.
func fetchedPrograms(base string) string {
	return filepath.Join(base, "postgres-"+string(fetchedVersion), "bin")
}

// fetch downloads PostgreSQL into base, once for all processes, and returns the
// folder of its programs.
func fetch(ctx context.Context, cfg Config, base string) (string, error) {
	repository := cfg.PostgresRepository
	if repository == "" {
		repository = mavenCentral
	}
	lock, err := awaitLock(ctx, filepath.Join(base, "fetch.lock"), func(*heldError) bool { return true })
	if err != nil {
		return "", fmt.Errorf("waiting for another process to fetch PostgreSQL: %w", err)
	}
	defer lock.Close()
	dir := fetchedPrograms(base)
	if executable(filepath.Join(dir, "postgres")) {
		return dir, nil // by that other process
	}
	// What earlier fetches left when they were interrupted; the lock is ours.
	left, err := filepath.Glob(filepath.Join(base, "fetch-*"))
	if err != nil {
		return "", err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return "", err
		}
	}
	work, err := os.MkdirTemp(base, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	cfg.logf("fetching PostgreSQL %s from %s", fetchedVersion, repository)
	tree := filepath.Join(work, "postgres")
	if err := download(ctx, repository, work, tree); err != nil {
		return "", fmt.Errorf("fetching PostgreSQL %s from %s, since this machine has none: %w\n"+
			"install it (Debian: apt-get install postgresql; macOS: brew install postgresql), "+
			"or name a running server in DATABASE_URL, or a mirror of Maven Central as the repository", fetchedVersion, repository, err)
	}
	if err := openToAll(tree); err != nil {
		return "", err
	}
	// All or nothing: a folder of that name is complete.
	if err := os.Rename(tree, filepath.Dir(dir)); err != nil {
		return "", err
	}
	return dir, nil
}

// download uses embedded-postgres as a fetcher only. The library would go on to
// run initdb and a server by itself, as this user and under no supervisor: as
// root that fails, and otherwise it could outlive us. So the data path that it
// gets lies below a plain file, at which it stops just after the extraction.
func download(ctx context.Context, repository, work, tree string) error {
	blocker := filepath.Join(work, "not-a-folder")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	library := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(fetchedVersion).BinaryRepositoryURL(repository).Port(uint32(port)).Logger(io.Discard).
		CachePath(filepath.Join(work, "archive")).RuntimePath(filepath.Join(work, "runtime")).
		BinariesPath(tree).DataPath(filepath.Join(blocker, "data")))
	// The library knows no context. After a cancellation it is left to fail by
	// itself once its folder is gone.
	done := make(chan error, 1)
	go func() {
		err := library.Start()
		if err == nil { // not expected; see above
			err = library.Stop()
		}
		done <- err
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err = <-done:
	}
	if executable(filepath.Join(tree, "bin", "postgres")) && executable(filepath.Join(tree, "bin", "initdb")) {
		return nil
	}
	if err == nil || strings.Contains(err.Error(), blocker) { // it got as far as it was meant to
		err = errors.New("the archive holds no bin/postgres and bin/initdb")
	}
	return err
}

// openToAll lets every user read what this one may read, and run what it may
// run: the archive's modes and our umask need not allow that.
func openToAll(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		owners := mode & 0o500
		return os.Chmod(path, mode|owners|owners>>3|owners>>6)
	})
}

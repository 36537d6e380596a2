package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// base returns the folder that everything lives in, made ready for the servers
// of user as: they can get there, and below its folder "run" they may remove
// what is theirs.
func (c Config) base(as serverUser) (string, error) {
	if c.Dir != "" {
		dir, err := filepath.Abs(c.Dir)
		if err != nil {
			return "", err
		}
		return dir, prepareBase(dir, as)
	}
	var faults []error
	for _, dir := range defaultBases(as) {
		err := ours(dir)
		if err == nil {
			err = prepareBase(dir, as)
		}
		if err == nil {
			return dir, nil
		}
		faults = append(faults, err)
	}
	return "", fmt.Errorf("finding a folder for the development servers: %w", errors.Join(faults...))
}

// defaultBases lists the folders to try. The user's cache folder may be missing
// (HOME unset, a service user) or closed to others (/root).
func defaultBases(as serverUser) []string {
	var dirs []string
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(cache, "tillhook"))
	}
	if as.switched {
		dirs = append(dirs, "/var/cache/tillhook")
	}
	// With our number in its name: everyone shares the temporary folder.
	return append(dirs, filepath.Join(os.TempDir(), "tillhook-"+strconv.Itoa(os.Geteuid())))
}

// ours refuses a folder that somebody else made: programs are run from there,
// and in the temporary folder anyone may have been first.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() || !info.IsDir() {
		return fmt.Errorf("%s is not a folder of this user's", dir)
	}
	return nil
}

// prepareBase makes dir and its folder "run".
func prepareBase(dir string, as serverUser) error {
	if err := traversable(dir, as); err != nil {
		return err
	}
	run := filepath.Join(dir, "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return err
	}
	if !as.switched {
		return nil
	}
	// A strict umask may have closed what was just made.
	for _, made := range []string{dir, run} {
		if err := os.Chmod(made, 0o755); err != nil {
			return err
		}
	}
	return as.give(run)
}

// traversable says whether user as can get to dir: everyone may pass each of
// the folders above it that exist; those that do not are made so.
func traversable(dir string, as serverUser) error {
	if !as.switched {
		return nil
	}
	for above := filepath.Dir(dir); ; above = filepath.Dir(above) {
		real, err := filepath.EvalSymlinks(above)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for ; ; real = filepath.Dir(real) {
			info, err := os.Stat(real)
			if err != nil {
				return err
			}
			if info.Mode().Perm()&0o001 == 0 {
				return fmt.Errorf("%s cannot hold the servers' files: the user %s, whom they run as, may not pass %s", dir, as.name, real)
			}
			if real == filepath.Dir(real) {
				return nil
			}
		}
	}
}

// roomInMemory is what a file system in memory must have free to be used, in
// bytes. A cluster takes some 40 MB, each database 8 MB, and the log up to
// max_wal_size.
const roomInMemory = 2 << 30

// memoryBase is a folder in Linux's shared memory, for clusters that neither
// stay nor promise to survive a crash of the machine: there, making a database
// takes 25 ms instead of 100 to 300. Containers often have too little of it.
func memoryBase(cfg Config, as serverUser) (string, bool) {
	const memory = "/dev/shm"
	if cfg.Dir != "" || cfg.Keep || cfg.Fsync {
		return "", false
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(memory, &stat); err != nil || stat.Bavail*uint64(stat.Bsize) < roomInMemory {
		return "", false
	}
	dir := filepath.Join(memory, "tillhook-"+strconv.Itoa(os.Geteuid()))
	return dir, ours(dir) == nil && prepareBase(dir, as) == nil
}

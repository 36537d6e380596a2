package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// abandonedAfter is the age from which on a temporary folder without an owner
// is removed by the next process: well above the moment between making a
// folder and locking it.
const abandonedAfter = 10 * time.Minute

// folder holds all files of one server. It belongs to the server's user and is
// closed to everyone else.
type folder struct {
	path      string
	lock      *os.File // held by us, and by the supervisor after us
	temporary bool     // removed once its server is closed
}

func (f folder) log() string { return filepath.Join(f.path, "log") }

// newFolder makes a temporary folder below base/run.
func newFolder(base, kind string, as serverUser) (folder, error) {
	run := filepath.Join(base, "run")
	sweep(run)
	path, err := os.MkdirTemp(run, kind+"-")
	if err != nil {
		return folder{}, err
	}
	f := folder{path: path, temporary: true}
	f.lock, err = takeLock(filepath.Join(path, "lock"))
	if err == nil {
		err = as.give(path)
	}
	if err != nil {
		return folder{}, errors.Join(err, f.close())
	}
	return f, nil
}

// close lets go of the folder and removes a temporary one.
func (f folder) close() error {
	if f.lock != nil {
		f.lock.Close()
	}
	if !f.temporary {
		return nil
	}
	return os.RemoveAll(f.path)
}

// sweep removes the folders of servers whose supervisor was killed too, or
// whose machine went down. What cannot be removed now is left for the next
// time: it is nobody's error here.
func sweep(run string) {
	entries, err := os.ReadDir(run)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		path := filepath.Join(run, entry.Name())
		lock, err := takeLock(filepath.Join(path, "lock"))
		if err != nil {
			continue
		}
		_ = os.RemoveAll(path)
		lock.Close()
	}
}

// tail is the end of the server's log, to be shown in an error.
func (f folder) tail() string {
	const lines, bytes = 12, 8 << 10
	text, err := os.ReadFile(f.log())
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	if len(text) > bytes {
		text = text[len(text)-bytes:]
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "its log ends:\n\t" + strings.Join(all, "\n\t")
}

// clearLog empties the log of an earlier run, which would otherwise grow for
// ever and be mistaken for this one's.
func (f folder) clearLog() error {
	err := os.Truncate(f.log(), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

package devstack

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Nothing of ours can run after a kill -9; the servers must end all the same,
// and take their temporary files with them.
func TestServersEndWithAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	helper, report := startHelper(t, dir, false)
	query(t, report.DatabaseURL, "CREATE TABLE note (text text)")
	for _, path := range []string{report.PostgresPath, report.RedisPath} {
		if path != "" && missing(path) {
			t.Fatalf("%s is missing", path)
		}
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // "signal: killed"
	eventually(t, "the end of Postgres", func() bool { return !running(report.PostgresPid) })
	eventually(t, "the end of Redis", func() bool { return !running(report.RedisPid) })
	eventually(t, "the end of their files", func() bool {
		left, err := filepath.Glob(filepath.Join(dir, "run", "*"))
		return err == nil && len(left) == 0
	})
}

// A Ctrl-C goes to the process group of the terminal. The servers must not be
// in it: our own orderly end still needs them.
func TestServersAreOutOfReachOfTheTerminal(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	servers, err := syscall.Getpgid(p.server.pid)
	if err != nil {
		t.Fatal(err)
	}
	if servers == syscall.Getpgrp() {
		t.Errorf("the server is in our process group %d", servers)
	}
}

// A crash is not mistaken for an orderly end, and a crashed server can be started again.
func TestServersThatCrashAreNoticed(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	if err := syscall.Kill(p.server.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !p.server.waitGone(30 * time.Second) {
		t.Fatal("the crash goes unnoticed")
	}
	if err := p.Stop(); err == nil {
		t.Error("a crash passes for an orderly end")
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	query(t, p.URL, "SELECT 1")
}

func TestAbandonedFoldersAreSwept(t *testing.T) {
	t.Parallel()
	run := openDir(t)
	old := time.Now().Add(-2 * abandonedAfter)
	paths := map[string]string{}
	for _, name := range []string{"abandoned", "young", "in-use"} {
		paths[name] = filepath.Join(run, name)
		if err := os.Mkdir(paths[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := takeLock(filepath.Join(paths["in-use"], "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, name := range []string{"abandoned", "in-use"} {
		if err := os.Chtimes(paths[name], old, old); err != nil {
			t.Fatal(err)
		}
	}
	sweep(run)
	for name, want := range map[string]bool{"abandoned": true, "young": false, "in-use": false} {
		if missing(paths[name]) != want {
			t.Errorf("%s: gone is %v, want %v", name, !want, want)
		}
	}
}

// The lock says who holds it, and passes on when the holder's copies are closed.
func TestLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command("/bin/sh", "-c", "read -r word") // holds a copy until its input ends
	holder.ExtraFiles = []*os.File{lock}
	input, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	_, err = takeLock(path)
	if held, ok := err.(*heldError); !ok || held.pid != os.Getpid() {
		t.Errorf("got %v, want it held by %d", err, os.Getpid())
	}
	input.Close()
	_ = holder.Wait() // its read ends without a line, so with a status
	again, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

package devstack

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func keeping(t *testing.T, dir string) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), Config{Dir: dir, Keep: true, Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, p)
	return p
}

func TestKeptDataComesBack(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := keeping(t, dir)
	query(t, first.URL, "CREATE TABLE note AS SELECT 'kept' AS text")
	if got := query(t, first.URL, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Glob(filepath.Join(dir, "pgdata-*", "data", "PG_VERSION"))
	if err != nil || len(data) != 1 {
		t.Fatalf("the data is in %v (%v)", data, err)
	}
	second := keeping(t, dir)
	if got := query(t, second.URL, "SELECT text FROM note"); got != "kept" {
		t.Errorf("got %q", got)
	}
}

// An initdb that was cut short, by a crash of the machine say, is begun anew.
func TestKeptDataIsNeverHalfMade(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	whole := keeping(t, dir)
	raw := whole.cluster.data() + ".new"
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(whole.cluster.data(), raw); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(raw, "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	query(t, keeping(t, dir).URL, "SELECT 1")
}

func TestKeptDataHasOneUserAtATime(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	helper, report := startHelper(t, dir, true)
	_, err := StartPostgres(t.Context(), Config{Dir: dir, Keep: true})
	if want := "in use by process " + strconv.Itoa(helper.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want it to contain %q", err, want)
	}
	query(t, report.DatabaseURL, "SELECT 1")
}

// The program may be started again right after it was killed, while the old
// server is still being stopped.
func TestKeptDataCanBeUsedAfterAKill(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	helper, report := startHelper(t, dir, true)
	query(t, report.DatabaseURL, "CREATE TABLE note AS SELECT 'kept' AS text")
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // "signal: killed"
	p := keeping(t, dir)
	if got := query(t, p.URL, "SELECT text FROM note"); got != "kept" {
		t.Errorf("got %q", got)
	}
}

func TestKeptDataWithoutItsPassword(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	p := keeping(t, dir)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.cluster.passwordFile()); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), Config{Dir: dir, Keep: true})
	if err == nil || !strings.Contains(err.Error(), "to begin anew, remove "+p.cluster.folder.path) {
		t.Errorf("got %v", err)
	}
	if missing(p.cluster.data()) {
		t.Error("the data is gone")
	}
}

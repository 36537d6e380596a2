package dev_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/app"
	"tillhook/pkg/app/dev"
	"tillhook/pkg/devstack"
)

// once runs cmd/dev --once on a database and a Redis of the test's own.
func once(t *testing.T, databaseURL string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := dev.Run(ctx, app.Process{
		Args:  append([]string{"--once", "--dir", t.TempDir()}, args...),
		Env:   []string{"PORT=0", "DATABASE_URL=" + databaseURL, "REDIS_URL=" + devstack.RedisURL(t)},
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
	})
	return out.String(), err
}

// Every order gets where it must be, and a second run on the same data too.
func TestOnce(t *testing.T) {
	t.Parallel()
	databaseURL := devstack.Database(t, nil)
	for range 2 {
		out, err := once(t, databaseURL)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !strings.Contains(out, "all 30 orders are where they must be") || !strings.Contains(out, "one more was ordered at the shop, and paid") {
			t.Error(out)
		}
		for line := range strings.Lines(out) {
			if len([]rune(strings.TrimRight(line, "\n"))) > 80 && !strings.Contains(line, "/") {
				t.Errorf("wider than 80 columns: %s", line)
			}
		}
	}
}

// A shell that has read the file for ops can work on what runs here, and nobody
// else can read it.
func TestOpsFindsWhatRunsHere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := once(t, devstack.Database(t, nil), "--dir", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "ops.env")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	environ, err := exec.CommandContext(t.Context(), "env", "-i", "/bin/sh", "-c", `. "$0" && /usr/bin/env`, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = app.Ops(t.Context(), app.Process{
		Args: []string{"secrets", "check", "trattoria-da-marco"}, Env: strings.Split(string(environ), "\n"),
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
	})
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestOnceSaysWhichOrdersAreLate(t *testing.T) {
	t.Parallel()
	out, err := once(t, devstack.Database(t, nil), "--timeout", "1ms")
	if err == nil || !strings.Contains(err.Error(), "these orders are not where they must be:\n  order-") ||
		!strings.Contains(err.Error(), "must be PAID / COMPLETED") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	err := dev.Run(t.Context(), app.Process{Args: []string{"--no-such-flag"}, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Error(err)
	}
}

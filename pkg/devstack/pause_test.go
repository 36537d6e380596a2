package devstack

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answersWithin reports whether ask answers before a time that is ample for a
// server that runs, and only spent on one that doesn't.
func answersWithin(t *testing.T, ask func(context.Context) error) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := ask(ctx)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return err == nil
}

func TestPausedPostgresHangsAndGoesOn(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	ask := func(ctx context.Context) error {
		// The driver's start of a connection heeds no context.
		_, err := tryQuery(ctx, p.URL+"&connect_timeout=1", "SELECT 1")
		return err
	}
	query(t, p.URL, "SELECT 1")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	paused := answersWithin(t, ask)
	for range 2 {
		if err := p.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if paused {
		t.Error("a paused server answers")
	}
	query(t, p.URL, "SELECT 1")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err == nil {
		t.Error("a stopped server was paused")
	}
}

func TestRedisKilledAndPaused(t *testing.T) {
	t.Parallel()
	r := LastingRedis(t)
	ask(t, r.URL, "SET", "key", "value")
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := pingRedis(t.Context(), r.URL); err == nil {
		t.Error("a killed server answers")
	}
	if err := r.Kill(); err == nil {
		t.Error("a dead server was killed")
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("value", ask(t, r.URL, "GET", "key")); diff != "" {
		t.Errorf("after the crash: %s", diff)
	}
	conn, err := dialRedis(t.Context(), r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := conn.do("PING")
		answered <- err
	}()
	paused := answersWithin(t, func(ctx context.Context) error {
		select {
		case err := <-answered:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	if paused {
		t.Error("a paused server answers")
	} else if err := <-answered; err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

// Whoever is killed while its servers are paused leaves none behind.
func TestPausedServersEndWithTheirProcess(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	helper, report := startHelper(t, dir, false)
	children, err := childrenOf(report.PostgresPid)
	if err != nil {
		t.Fatal(err)
	}
	if len(children) == 0 {
		t.Fatal("a server without processes of its own")
	}
	p := &Postgres{From: "the helper's", cluster: &cluster{}, server: &child{pid: report.PostgresPid}}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(children, report.PostgresPid) {
		eventually(t, "the paused server's end", func() bool { return !running(pid) })
	}
}

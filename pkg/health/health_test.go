package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is needed decides; what isn't is told of.
func TestOnlyWhatIsNeededMakesUnready(t *testing.T) {
	t.Parallel()
	fine, away := func(context.Context) error { return nil }, func(context.Context) error { return errors.New("refused") }
	for _, c := range []struct {
		name            string
		postgres, redis func(context.Context) error
		status          int
		want            string
	}{
		{"all is well", fine, fine, 200, "ok"},
		{"Redis is away", fine, away, 200, "degraded"},
		{"Postgres is away", away, fine, 503, "unavailable"},
		{"both", away, away, 503, "unavailable"},
	} {
		checks := New(Check{"postgres", true, c.postgres}, Check{"redis", false, c.redis})
		rec := httptest.NewRecorder()
		checks.Details(rec, httptest.NewRequest("GET", "/readyz", nil))
		var got Report
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Status != c.want || rec.Code != c.status || len(got.Checks) != 2 || checks.Ready(t.Context()) != (c.status == 200) {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
	}
}

// Whoever is about to end is unready, however well all is, and at once.
func TestWhoLeavesIsUnready(t *testing.T) {
	t.Parallel()
	checks := New(Check{"postgres", true, func(context.Context) error { return nil }})
	if !checks.Ready(t.Context()) || checks.Stopping() {
		t.Fatal("not ready before")
	}
	checks.Stop()
	rec := httptest.NewRecorder()
	checks.Details(rec, httptest.NewRequest("GET", "/readyz", nil))
	var got Report
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if checks.Ready(t.Context()) || !checks.Stopping() || rec.Code != 503 || got.Status != "stopping" || !got.Checks["postgres"].OK {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// However many poll, each check runs once a second, and one that hangs costs
// nobody more than that.
func TestChecksRunOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		hang := make(chan struct{})
		checks := New(Check{"counted", true, func(context.Context) error { runs++; return nil }},
			Check{"hangs", false, func(context.Context) error { <-hang; return nil }})
		started := time.Now()
		for range 1000 {
			if !checks.Ready(t.Context()) {
				t.Fatal("not ready")
			}
		}
		if took := time.Since(started); runs != 1 || took != patience {
			t.Errorf("%d runs, %s", runs, took)
		}
		want := Result{Millis: 1000, Error: "no answer in time"}
		if diff := cmp.Diff(want, checks.Look(t.Context()).Checks["hangs"]); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		time.Sleep(age + 1) // in the bubble's time
		checks.Ready(t.Context())
		if runs != 2 {
			t.Errorf("%d runs after a second more", runs)
		}
		close(hang)
	})
}

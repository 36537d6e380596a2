package postgres_test

import (
	"testing"
	"time"
)

// Somebody has made a view of a week, to look into it: the week stays and says why,
// and the janitor goes on with the others.
func TestAWeekThatSomethingDependsOnIsKept(t *testing.T) {
	t.Parallel()
	d := oldWeeks(t, 1)
	exec(t, d, `CREATE VIEW export AS SELECT id FROM "WebhookEvent_20240108"`)
	kept, err := d.DropPartition(t.Context(), "WebhookEvent_20240108", time.Now())
	if want := `something depends on it: view export depends on table "WebhookEvent_20240108"`; err != nil || kept != want {
		t.Errorf("%q, %v, want %q", kept, err, want)
	}
	if n := get[int](t, d, `SELECT count(*) FROM "AuditEntry" WHERE action = 'drop partition'`); n != 0 {
		t.Errorf("%d lines say that it was dropped", n)
	}
	exec(t, d, `DROP VIEW export`)
	if kept, err := d.DropPartition(t.Context(), "WebhookEvent_20240108", time.Now()); err != nil || kept != "" {
		t.Errorf("%q, %v", kept, err)
	}
}

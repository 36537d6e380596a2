package postgres_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// Whoever writes leaves a primary that is one no more, by himself, for the one
// that is, and listens there; and no transaction is committed at the old one
// meanwhile.
func TestEveryRoleLeavesADemotedPrimary(t *testing.T) {
	t.Parallel()
	before, after := own(t), own(t)
	ub, err := url.Parse(before.URL)
	if err != nil {
		t.Fatal(err)
	}
	ua, err := url.Parse(after.URL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := ub.User.Password() // both take the same one, as the two of a pair do
	primary := open(t, after.URL)
	exec(t, primary, `ALTER ROLE "`+ub.User.Username()+`" PASSWORD '`+password+`'`)
	ub.Host += "," + ua.Host
	admin := open(t, before.URL+"&target_session_attrs=any&default_transaction_read_only=off")

	ctx, ahead := t.Context(), 60
	roles := map[string]func(d *postgres.DB) error{
		"recoverer": func(d *postgres.DB) error {
			_, err := d.ClaimUnfinished(ctx, time.Second, time.Second, event.Unfinished{}, 10)
			return err
		},
		"reconciler": func(d *postgres.DB) error {
			_, err := d.ClaimPending(ctx, time.Minute, time.Minute, 10)
			return err
		},
		"backfiller": func(d *postgres.DB) error {
			_, _, err := d.ClaimBackfill(ctx, time.Minute, time.Minute)
			return err
		},
		"janitor": func(d *postgres.DB) error {
			ahead += 7 // what is there already is not written
			_, err := d.CreatePartitions(ctx, 35, ahead)
			return err
		},
		"uses": func(d *postgres.DB) error {
			return d.PutSecretUses(ctx, []event.SecretUse{{RestaurantID: "r", Fingerprint: "f", Ago: time.Second}})
		},
		"operator": func(d *postgres.DB) error {
			id := "by operator " + time.Now().String()
			return d.CreateRestaurant(ctx, postgres.Operator{Actor: "anna", Action: "test"}, postgres.NewRestaurant{ID: id, Slug: id, Name: id, ConfigID: id})
		},
	}
	pools := map[string]*postgres.DB{}
	for name, role := range roles {
		d, err := postgres.Open(ub.String(), postgres.Options{Name: name, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		if err := role(d); err != nil {
			t.Fatalf("the %s, to begin with: %v", name, err)
		}
		pools[name] = d
	}
	changed, _ := listeners(t, pools["recoverer"])
	await(t, "the beginning", changed)
	exec(t, admin, `ALTER SYSTEM SET default_transaction_read_only = on`)
	exec(t, admin, `SELECT pg_reload_conf()`)
	for name, role := range roles {
		d := pools[name]
		eventually(t, "its connection has heard", func() bool {
			return get[string](t, d, `SELECT current_setting('default_transaction_read_only')`) == "on"
		})
		if err := role(d); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("the %s at the old primary: %v", name, err)
		}
		eventually(t, "the "+name+" is at the new one", func() bool { return role(d) == nil })
	}
	if n := get[int](t, admin, `SELECT count(*) FROM "Restaurant"`); n != 1 {
		t.Errorf("%d transactions were committed at the old primary", n-1)
	}
	await(t, "that something may have changed", changed)
	for len(changed) > 0 {
		<-changed
	}
	exec(t, primary, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('new', 'new', 'new')`)
	await(t, "a change at the new primary", changed)
}

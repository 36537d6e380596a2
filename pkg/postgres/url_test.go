package postgres_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// with is a database's URL with another parameter.
func with(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// Behind PgBouncer nothing is prepared, and an event is read byte for byte as it
// is on a connection of one's own, where its payload travels in another form.
func TestEventsAreReadBehindPgBouncer(t *testing.T) {
	t.Parallel()
	server := devstack.Database(t, migrate)
	r := event.Record{
		ID: "e", ProviderEventID: "evt_1", Type: "checkout.session.completed", Status: event.Processing, RestaurantID: "r",
		Payload: []byte("{\"name\": \"Crêpe\\u0000 \\\\x41\"}\n"), OccurredAt: time.Unix(1_800_000_000, 0),
	}
	d := open(t, server)
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	if _, err := d.InsertEvents(t.Context(), []event.Record{r}); err != nil {
		t.Fatal(err)
	}
	for bouncer, prepares := range map[string]bool{"false": true, "true": false} {
		d, err := postgres.Open(with(t, server, "pgbouncer", bouncer), postgres.Options{Name: t.Name(), Batches: true, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		events, err := d.ReadEvents(t.Context(), []event.Attempt{{Ref: r.Ref(), Number: 1}})
		if err != nil {
			t.Fatal(bouncer, err)
		}
		want := event.Stored{Ref: r.Ref(), ProviderEventID: r.ProviderEventID, Type: r.Type, RestaurantID: r.RestaurantID, Payload: r.Payload}
		if diff := cmp.Diff([]event.Stored{want}, events); diff != "" {
			t.Errorf("pgbouncer=%s (-want +got)\n%s", bouncer, diff)
		}
		if n := get[int](t, d, `SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%"WebhookEvent"%'`); n > 0 != prepares {
			t.Errorf("pgbouncer=%s: %d statements are prepared", bouncer, n)
		}
	}
}

// However few connections the URL allows, who is alone has one to work by.
func TestWhoIsAloneCanWork(t *testing.T) {
	t.Parallel()
	d := open(t, with(t, devstack.Database(t, migrate), "connection_limit", "1"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	did, err := d.Alone(ctx, func(ctx context.Context) error {
		_, _, err := d.Partitions(ctx)
		return err
	})
	if !did || err != nil {
		t.Error(did, err)
	}
}

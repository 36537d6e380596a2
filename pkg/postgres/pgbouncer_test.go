package postgres_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/devstack"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// Behind PgBouncer nothing is prepared, and an event is read byte for byte as it
// is on a connection of one's own, where its payload travels in another form.
func TestEventsAreReadBehindPgBouncer(t *testing.T) {
	t.Parallel()
	server, err := url.Parse(devstack.Database(t, migrate))
	if err != nil {
		t.Fatal(err)
	}
	r := event.Record{
		ID: "e", ProviderEventID: "evt_1", Type: "checkout.session.completed", Status: event.Processing, RestaurantID: "r",
		Payload: []byte("{\"name\": \"Crêpe\\u0000 \\\\x41\"}\n"), OccurredAt: time.Unix(1_800_000_000, 0),
	}
	d := open(t, server.String())
	exec(t, d, `INSERT INTO "Restaurant" (id, name, slug) VALUES ('r', 'R', 'r')`)
	if _, err := d.InsertEvents(t.Context(), []event.Record{r}); err != nil {
		t.Fatal(err)
	}
	for bouncer, prepares := range map[string]bool{"false": true, "true": false} {
		q := server.Query()
		q.Set("pgbouncer", bouncer)
		server.RawQuery = q.Encode()
		d, err := postgres.Open(server.String(), postgres.Options{Name: t.Name(), Batches: true, MaxConns: 1})
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

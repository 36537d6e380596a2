package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tillhook/pkg/batch"
	"tillhook/pkg/event"
)

// A 200 means one committed row with the exact bytes; a second delivery says
// that it was one.
func TestAcceptedThenDuplicate(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	w := &world{configs: []event.Config{restaurant("a"), restaurant("b")}, insert: func(records []event.Record) ([]bool, error) {
		news := make([]bool, len(records))
		for i, r := range records {
			news[i] = !seen[r.ProviderEventID]
			seen[r.ProviderEventID] = true
		}
		return news, nil
	}}
	r := newReceiver(t, w, false)
	body := []byte(`{ "ID":"evt_1", "Type":"charge.succeeded", "APIVersion":"2023-10-16", "Created":"2026-01-09T22:30:00Z" } `)
	got := []reply{answerOf(r.send(hook+"/slug-a", "whsec_a", body)), answerOf(r.send(hook+"/a", "whsec_a", body))}
	want := []reply{{200, `{"received":true,"id":"evt_1"}`, ""}, {200, `{"received":true,"id":"evt_1","duplicate":true}`, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	row := event.Record{
		ProviderEventID: "evt_1", Type: "charge.succeeded", Status: event.Processing, RestaurantID: "a",
		APIVersion: "2023-10-16", Payload: body, OccurredAt: epoch, SignedWith: event.SignedCurrent,
	}
	if diff := cmp.Diff([]event.Record{row, row}, w.rows, cmpopts.IgnoreFields(event.Record{}, "ID")); diff != "" {
		t.Error("rows (-want +got)\n", diff)
	}
}

// Operators' SQL may give one restaurant a slug that is another's id. Neither
// loses its deliveries for it: the secret decides, as ever.
func TestASlugThatIsAnothersID(t *testing.T) {
	t.Parallel()
	w := &world{configs: []event.Config{restaurant("a"), restaurant("b"), restaurant("c")}}
	w.configs[0].Slug = "b"
	r := newReceiver(t, w, false)
	var got []string
	for _, secret := range []string{"whsec_a", "whsec_b", "whsec_c"} {
		got = append(got, fmt.Sprint(r.post(hook+"/b", secret, envelope("evt_"+secret)).Status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range w.rows {
		if row.Status == event.Processing {
			got = append(got, row.RestaurantID)
		}
	}
	if diff := cmp.Diff([]string{"200", "200", "400", "a", "b"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// What fails before the commit is answered so that Stripe delivers again.
func TestTemporarilyUnavailable(t *testing.T) {
	t.Parallel()
	want := reply{503, again, "5"}
	t.Run("Postgres is away", func(t *testing.T) {
		t.Parallel()
		w := &world{configs: []event.Config{restaurant("a")}, insert: func([]event.Record) ([]bool, error) {
			return nil, errors.New("connection refused")
		}}
		if got := newReceiver(t, w, false).post(hook, "whsec_a", envelope("evt_1")); got != want {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the writer's queue is full", func(t *testing.T) {
		t.Parallel()
		begun := make(chan struct{}, 2)
		w := &world{configs: []event.Config{restaurant("a")}, insert: func(records []event.Record) ([]bool, error) {
			begun <- struct{}{} // what is being stored is out of the queue
			return make([]bool, len(records)), nil
		}}
		r := newReceiver(t, w, true)
		r.writer.batcher = batch.New(batch.Config[event.Record, bool]{Work: r.writer.insert, MaxQueued: 1})
		if !r.writer.offer(event.Record{ID: "waiting"}) {
			t.Fatal("an empty queue takes nothing")
		}
		// Nobody works: without a refusal at once this would hang.
		if got := r.post(hook, "whsec_a", envelope("evt_1")); got != want {
			t.Errorf("%+v", got)
		}
		r.work(t)
		<-begun
		if got := r.post(hook, "whsec_a", envelope("evt_1")); got.Status != 200 {
			t.Errorf("when there is room again: %+v", got)
		}
	})
	t.Run("not ready", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, &world{}, false)
		if got := r.post(hook, "whsec_a", envelope("evt_1")); got != want {
			t.Errorf("%+v", got)
		}
	})
	t.Run("nobody can say whose order it is", func(t *testing.T) {
		t.Parallel()
		w := &world{configs: []event.Config{restaurant("a"), restaurant("b")}, lookErr: errors.New("connection refused")}
		env := envelope("evt_1")
		env.Hints.OrderID = "o"
		if got := newReceiver(t, w, false).post(hook, "whsec_a", env); got != want {
			t.Errorf("%+v", got)
		}
	})
}

// A row that the database refuses: it is signed, so that it is never limited or
// called a forgery, and not stored, so that it is never a 200. Those beside it
// pass.
func TestARowThatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := &world{configs: []event.Config{restaurant("a")}, insert: func(records []event.Record) ([]bool, error) {
		for _, r := range records {
			if r.Type == "null byte" {
				return nil, fmt.Errorf("storing: %w", event.ErrUnstorable)
			}
		}
		return make([]bool, len(records)), nil
	}}
	r := newReceiver(t, w, false)
	bad := envelope("evt_2")
	bad.Type = "null byte"
	got := []int{
		r.post(hook, "whsec_a", envelope("evt_1")).Status, r.post(hook, "whsec_a", bad).Status,
		r.post(hook, "whsec_a", envelope("evt_3")).Status,
	}
	if diff := cmp.Diff([]int{200, 503, 200}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// The answer is out before the task is queued, so that Redis can neither
// delay nor refuse a delivery.
func TestRedisIsNotInTheWay(t *testing.T) {
	t.Parallel()
	for name, enqueue := range map[string]func(release chan struct{}) error{
		"blocked": func(release chan struct{}) error { <-release; return nil },
		"failing": func(chan struct{}) error { return errors.New("connection refused") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			w := &world{configs: []event.Config{restaurant("a")}, enqueue: func() error { return enqueue(release) }}
			r := newReceiver(t, w, false)
			defer close(release) // before the clean-up, which waits for the tasks
			for i := range 8 {
				if got := r.post(hook, "whsec_a", envelope(fmt.Sprint("evt_", i))); got.Status != 200 {
					t.Fatalf("%+v", got)
				}
			}
		})
	}
}

// Nobody learns from a refusal who exists, or which check failed: to the byte,
// headers included.
func TestRefusalsAreIdentical(t *testing.T) {
	t.Parallel()
	broken := restaurant("broken")
	broken.Secret = "sealed:by another key"
	r := newReceiver(t, &world{configs: []event.Config{
		restaurant("a"), restaurant("b"), broken,
		{RestaurantID: "empty", Slug: "slug-empty", ID: "c-empty"}, {RestaurantID: "inactive", Slug: "slug-inactive"},
	}}, false)
	type answer struct {
		Status int
		Header http.Header
		Body   string
	}
	good := `{"ID":"evt_1","Type":"x"}`
	want := answer{400, http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}, refused + "\n"}
	for _, c := range []struct{ name, path, signature, body string }{
		{"another's secret", "/slug-a", "whsec_b", good}, {"no signature", "/slug-a", "", good}, {"malformed", "/slug-a", "malformed", good},
		{"stale", "/slug-a", "stale", good}, {"unparsable", "/slug-a", "whsec_a", "{"}, {"empty body", "/slug-a", "whsec_a", ""},
		{"unknown restaurant", "/nobody", "whsec_a", good}, {"no active configuration", "/slug-inactive", "whsec_a", good},
		{"no secret", "/slug-empty", "", good}, {"undecryptable", "/slug-broken", "whsec_broken", good}, {"nobody's secret", "", "whsec_x", good},
		{"names a restaurant, signed by another", "", "whsec_b", `{"ID":"evt_1","Type":"x","Hints":{"RestaurantID":"a"}}`},
	} {
		rec := r.send(hook+c.path, c.signature, []byte(c.body))
		if diff := cmp.Diff(want, answer{rec.Code, rec.Header(), rec.Body.String()}); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// What isn't a delivery at all.
func TestOtherRequests(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, &world{configs: []event.Config{restaurant("a")}}, false)
	fits := strings.Repeat(" ", MaxBody-len(`{"ID":"evt_1","Type":"x"}`)) + `{"ID":"evt_1","Type":"x"}`
	for want, body := range map[int]string{200: fits, 413: fits + " "} {
		if got := answerOf(r.send(hook, "whsec_a", []byte(body))); got.Status != want {
			t.Errorf("%d bytes: %+v, want %d", len(body), got, want)
		}
	}
}

// After a flood of failures an address is told to wait; what is signed still
// passes, from there too.
func TestOnlyFailuresAreLimited(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, &world{configs: []event.Config{restaurant("a")}}, false)
	for i := range failuresBurst {
		if got := r.post(hook+"/a", "whsec_x", envelope("evt_1")); got.Status != 400 {
			t.Fatalf("failure %d: %+v", i, got)
		}
	}
	got := []reply{r.post(hook+"/a", "whsec_x", envelope("evt_1")), r.post(hook+"/a", "whsec_a", envelope("evt_1"))}
	want := []reply{{429, `{"error":"Too many failing requests"}`, "5"}, {200, `{"received":true,"id":"evt_1"}`, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
)

// resolve answers the ids of the restaurants whose secrets env is tried
// against.
func resolve(t *testing.T, w *world, env event.Envelope, size int) []string {
	t.Helper()
	d := NewDirectory(w, vault{}, slog.New(slog.DiscardHandler))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := newResolver(d, w).candidates(t.Context(), d.current.Load(), env, size)
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(found)
}

func idsOf(tenants []*tenant) []string {
	ids := []string{}
	for _, t := range tenants {
		ids = append(ids, t.restaurantID)
	}
	return ids
}

// many are n restaurants, r0, r1 …
func many(n int) []event.Config {
	var all []event.Config
	for i := range n {
		all = append(all, restaurant(fmt.Sprint("r", i)))
	}
	return all
}

// The first hint that leads anywhere decides.
func TestHintsInTheirOrder(t *testing.T) {
	t.Parallel()
	configs := many(20) // too many for a trial
	configs[4].Account = "acct_4"
	w := func() *world {
		return &world{
			configs: configs,
			orders:  map[string]string{"o-2": "r2", "o-gone": "r-gone"},
			objects: map[string][]string{"cs_3": {"r3"}, "cs_both": {"r3", "r5"}, "cs_gone": {"r-gone"}},
		}
	}
	all := event.Hints{RestaurantID: "r1", OrderID: "o-2", Objects: []string{"cs_3"}}
	without := func(change func(*event.Hints)) event.Hints {
		h := all
		change(&h)
		return h
	}
	for _, c := range []struct {
		name    string
		hints   event.Hints
		account string
		want    []string
	}{
		{"the restaurant in the metadata", all, "acct_4", []string{"r1"}},
		{"the order's restaurant", without(func(h *event.Hints) { h.RestaurantID = "" }), "acct_4", []string{"r2"}},
		{"a restaurant that doesn't exist leads nowhere", without(func(h *event.Hints) { h.RestaurantID = "r99" }), "acct_4", []string{"r2"}},
		{"the objects' restaurant", event.Hints{OrderID: "o-9", Objects: []string{"ch_9", "cs_3"}}, "", []string{"r3"}},
		{"a claim on an object hides nobody whose account it is", event.Hints{Objects: []string{"cs_3"}}, "acct_4", []string{"r3", "r4"}},
		{"the account's restaurant", event.Hints{OrderID: "o-9", Objects: []string{"cs_9"}}, "acct_4", []string{"r4"}},
		{"an object id of two restaurants: both, the secret decides", event.Hints{Objects: []string{"cs_both"}}, "", []string{"r3", "r5"}},
		{"an order whose restaurant has gone", event.Hints{OrderID: "o-gone", Objects: []string{"cs_3"}}, "acct_4", []string{}},
		{"an object whose restaurant has gone", event.Hints{Objects: []string{"cs_gone"}}, "", []string{}},
		{"nothing known", event.Hints{RestaurantID: "x", OrderID: "x", Objects: []string{"x"}}, "acct_x", []string{}},
		{"nothing", event.Hints{}, "", []string{}},
	} {
		if diff := cmp.Diff(c.want, resolve(t, w(), event.Envelope{Account: c.account, Hints: c.hints}, 100)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// Branches of one company may share its connected account, each with an endpoint
// of its own: an event of that account may be for any of them.
func TestRestaurantsThatShareAnAccount(t *testing.T) {
	t.Parallel()
	shared := func(n int) []event.Config {
		configs := many(20) // too many for a trial
		for i := range n {
			configs[i].Account = "acct_1"
		}
		return configs
	}
	known := map[string][]string{"ch_1": {"r1"}, "ch_9": {"r9"}}
	if n := len(resolve(t, &world{configs: shared(20)}, event.Envelope{Account: "acct_1"}, 100)); n != maxTrialTenants {
		t.Errorf("of 20 restaurants %d are tried, want %d", n, maxTrialTenants)
	}
	for _, c := range []struct {
		name   string
		shares int
		object string
		size   int
		want   []string
	}{
		{"each is tried", 3, "", 100, []string{"r0", "r1", "r2"}},
		{"the one that is known to be meant comes first, the others after it", 2, "ch_1", 100, []string{"r1", "r0"}},
		{"a claim on an object hides nobody", 2, "ch_9", 100, []string{"r9", "r0", "r1"}},
		{"a byte too much for more than one", 2, "ch_9", maxTrialBody + 1, []string{"r9", "r0"}},
		{"the only one, whatever the size", 1, "", MaxBody, []string{"r0"}},
	} {
		env := event.Envelope{Account: "acct_1", Hints: event.Hints{Objects: []string{c.object}}}
		if diff := cmp.Diff(c.want, resolve(t, &world{configs: shared(c.shares), objects: known}, env, c.size)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// Without a hint every secret is tried, but only while that is cheap. The
// only configuration there is needs no hint.
func TestTheTrialIsBounded(t *testing.T) {
	t.Parallel()
	unusable := append(many(maxTrialTenants), event.Config{RestaurantID: "inactive", Slug: "i"}, event.Config{RestaurantID: "empty", Slug: "e", ID: "c"})
	for _, c := range []struct {
		name    string
		configs []event.Config
		size    int
		want    int
	}{
		{"16 restaurants, 64 KiB", many(maxTrialTenants), maxTrialBody, 16},
		{"those without a secret don't count", unusable, maxTrialBody, 16},
		{"17 restaurants", many(maxTrialTenants + 1), 100, 0},
		{"a byte too much", many(2), maxTrialBody + 1, 0},
		{"the only one, whatever the size", many(1), MaxBody, 1},
		{"none", []event.Config{}, 100, 0},
	} {
		if got := resolve(t, &world{configs: c.configs}, envelope("evt_1"), c.size); len(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
	if maxTrialTenants != 16 || maxTrialBody != 64<<10 {
		t.Errorf("the contract's bounds are 16 and 64 KiB, not %d and %d", maxTrialTenants, maxTrialBody)
	}
}

// An order's restaurant is asked for once; that it has none is remembered for
// a moment; an object's is asked for every time, and an error is no answer.
func TestWhatIsAskedOfTheDatabase(t *testing.T) {
	t.Parallel()
	w := &world{configs: many(2), orders: map[string]string{"o": "r1"}, objects: map[string][]string{"cs": {"r1"}}}
	d := NewDirectory(w, vault{}, slog.New(slog.DiscardHandler))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newResolver(d, w)
	ask := func(h event.Hints) (asked int, err error) {
		before := w.lookups
		_, err = r.candidates(t.Context(), d.current.Load(), event.Envelope{Hints: h}, 100)
		return w.lookups - before, err
	}
	var got []int
	for _, h := range []event.Hints{
		{RestaurantID: "r1", OrderID: "o"}, {OrderID: "o"}, {OrderID: "o"}, {OrderID: "none"}, {OrderID: "none"},
		{Objects: []string{"cs"}}, {Objects: []string{"cs"}}, {},
	} {
		asked, err := ask(h)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, asked)
	}
	if diff := cmp.Diff([]int{0, 1, 0, 1, 0, 1, 1, 0}, got); diff != "" {
		t.Error("questions (-want +got)\n", diff)
	}
	w.lookErr = errors.New("connection refused")
	for _, h := range []event.Hints{{OrderID: "new"}, {Objects: []string{"cs"}}} {
		if _, err := ask(h); err == nil {
			t.Errorf("%+v: no error", h)
		}
	}
	w.lookErr = nil
	if asked, err := ask(event.Hints{OrderID: "new"}); asked != 1 || err != nil {
		t.Errorf("after the outage: %d questions, %v; an error must not be remembered", asked, err)
	}
}

// Two restaurants know the id; the one whose secret signed it gets the event.
func TestTheSecretDecides(t *testing.T) {
	t.Parallel()
	w := &world{configs: many(20), objects: map[string][]string{"cs_1": {"r3", "r5"}}}
	r := newReceiver(t, w, false)
	env := envelope("evt_1")
	env.Hints.Objects = []string{"cs_1"}
	var got []string
	for _, secret := range []string{"whsec_r5", "whsec_r3", "whsec_r4"} {
		got = append(got, fmt.Sprint(r.post(hook, secret, env).Status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range w.rows {
		if row.Status == event.Processing {
			got = append(got, row.RestaurantID)
		}
	}
	if diff := cmp.Diff([]string{"200", "200", "400", "r5", "r3"}, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

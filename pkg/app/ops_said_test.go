package app_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Where there is nothing to do, nobody is told to add --commit.
func TestOpsWithNothingToDo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shows(0, "No event is like that.\n", "", "events", "replay", "--status", "FAILED")
	d.shows(0, "There is no partition to drop.\n", "", "partitions", "drop")
	d.shows(0, "No order waits for so long.\n", "", "orders", "reconcile", "--stuck")
	d.shows(0, "Would store 0 events that had never reached us, of 0 at Stripe\nfrom TIME to TIME.\n"+
		"! No restaurant has an API key that is in use:\n  ops secrets set-api-key RESTAURANT --commit\n", "", "backfill", "--since", "2d")
	d.restaurant("roma", "")
	d.exec(`INSERT INTO "WebhookEvent" (id, "providerEventId", "eventType", status, "restaurantId", payload, "occurredAt", "dedupeKey")
		VALUES ('e', 'evt', 'x', 'PROCESSING', 'roma', '', now(), 'evt')`)
	d.shows(1, "Would replay 0 events; 1 more neither COMPLETED nor FAILED.\nops: evt is PROCESSING, and has no replay\n", "", "events", "replay", "evt")
}

// A connection that is refused is said to be Postgres's, and where to look; that
// something isn't there is no such thing.
func TestOpsSaysThatPostgresIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const remedy = "Postgres can't be reached, or refuses this DATABASE_URL; see: ops doctor"
	if out, code := d.run("", "orders", "show", "nobody"); code != 1 || strings.Contains(out, "Postgres") {
		t.Errorf("exit %d\n%s", code, out)
	}
	there := d.url
	for _, url := range []string{"postgres://nobody@127.0.0.1:1/x", regexp.MustCompile(`/[^/?]+(\?|$)`).ReplaceAllString(there, "/nowhere$1")} {
		d.url = url
		for _, args := range []string{"events list", "orders stuck", "audit", "secrets check", "backfill --since 1h"} {
			out, code := d.run("", strings.Fields(args)...)
			if code != 1 || !strings.Contains(strings.Join(strings.Fields(out), " "), remedy) {
				t.Errorf("ops %s at %s: exit %d\n%s", args, url, code, out)
			}
			if wide := tooWide(out); wide != nil {
				t.Errorf("ops %s: wider than a terminal: %q", args, wide)
			}
		}
	}
	d.url = there
}

// Help on a command is its help, however it is asked for.
func TestOpsHelp(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, command := range []string{"events", "events list", "orders reconcile"} {
		words := strings.Fields(command)
		want := d.works("", append(words, "--help")...)
		if got := d.works("", append([]string{"help"}, words...)...); got != want || !strings.Contains(got, "\n  ops "+command) {
			t.Errorf("ops help %s:\n%s\nwant\n%s", command, got, want)
		}
	}
	if got, want := d.works("", "help"), d.works("", "--help"); got != want {
		t.Errorf("ops help:\n%s", got)
	}
}

// An event that was named and isn't there is told once.
func TestOpsAnEventThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const want = "ops: there is no such event: evt_nobody\n"
	d.shows(1, want, "", "events", "list", "evt_nobody")
	d.shows(1, want, "", "events", "show", "evt_nobody")
	d.shows(1, "[]\n"+want, "", "events", "list", "evt_nobody", "-o", "json")
}

// Events are of a restaurant by its slug, which is what the flags take; JSON has both.
func TestOpsEventsNameTheSlug(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.works("", "restaurants", "create", "roma", "--name", "Roma", "--id", "42", "--commit")
	for id, restaurant := range map[string]string{"e1": "42", "e2": ""} {
		d.exec(`INSERT INTO "WebhookEvent" (id, "eventType", status, "restaurantId", payload, "occurredAt", "lastError")
			VALUES ($1, 'x', 'VERIFICATION_FAILED', NULLIF($2, ''), '', now(), 'why')`, id, restaurant)
	}
	list := d.works("", "events", "list")
	if !strings.Contains(list, "\n    of roma: why\n") || !strings.Contains(list, "\n    why\n") {
		t.Errorf("the list:\n%s", list)
	}
	if show := d.works("", "events", "show", "e1"); !strings.Contains(show, "roma (id 42)\n") {
		t.Errorf("one event:\n%s", show)
	}
	if show := d.works("", "events", "show", "e2"); !strings.Contains(show, "restaurant  -\n") {
		t.Errorf("one event of nobody:\n%s", show)
	}
	var all []struct {
		ID, RestaurantID, Slug string
	}
	if err := json.Unmarshal([]byte(d.works("", "events", "list", "-o", "json")), &all); err != nil || len(all) != 2 {
		t.Fatalf("%d events: %v", len(all), err)
	}
	for _, e := range all {
		if want := map[string][2]string{"e1": {"42", "roma"}, "e2": {"", ""}}[e.ID]; want != [2]string{e.RestaurantID, e.Slug} {
			t.Errorf("in JSON, %s is of %q, %q", e.ID, e.RestaurantID, e.Slug)
		}
	}
}

// The longest names that there may be leave every line on the terminal.
func TestOpsLongNamesFit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	slug, order := strings.Repeat("s", 63), strings.Repeat("o", 64)
	d.restaurant(slug, "")
	d.exec(`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency, "createdAt")
		VALUES ($1, $2, 'PAYMENT_PENDING', 100, 'eur', now() - interval '3 hours')`, order, slug)
	d.exec(`INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
		VALUES ($1, $1, 'STRIPE', 'COMPLETED', 'cs_1', 100, 'eur')`, order)
	secret := d.secret("one")
	for _, c := range []struct{ stdin, args, want string }{
		{"", "orders stuck", order},
		{"", "orders show ORDER", "Order " + order},
		{"", "orders reconcile ORDER", "nothing new for 1 order"},
		{"", "audit", "differences"},
		{"", "apikeys list SLUG", "has no key. The first: ops apikeys create " + slug},
		{"", "apikeys create SLUG --name " + slug, "Would make a key of " + slug},
		{secret, "secrets set SLUG --stdin --commit", "Stored the signing secret of " + slug},
		{secret, "secrets set SLUG --stdin", "has this secret already"},
		{d.secret("two"), "secrets rotate SLUG --stdin --commit", "Stored the signing secret"},
		{"", "secrets check SLUG", "mode live"},
		{"", "secrets revoke-previous SLUG", "Would forget the previous secret of " + slug},
		{"", "orders token " + slug, "there is no such order: " + slug},
		{"", "restaurants create t" + slug[:62] + " --name x", "Would create restaurant t" + slug[:62]},
		{"correct horse battery", "admins create " + slug + "@example.com --stdin", "Would make the viewer"},
	} {
		out, _ := d.run(c.stdin, strings.Fields(strings.NewReplacer("SLUG", slug, "ORDER", order).Replace(c.args))...)
		if !strings.Contains(strings.Join(strings.Fields(out), " "), c.want) {
			t.Errorf("ops %s has no %q:\n%s", c.args, c.want, out)
		}
		if wide := tooWide(out); wide != nil {
			t.Errorf("ops %s: wider than a terminal: %q", c.args, wide)
		}
	}
}

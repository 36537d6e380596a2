package app_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/event"
	"tillhook/pkg/secret"
)

func TestShopKeysAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("marco", "")
	d.shows(0, "\nmarco has no key. The first: ops apikeys create marco --name NAME --commit\n", "", "apikeys", "list", "marco")
	d.shows(0, `
Would make a key of marco:
  name  web shop
  by    anna@HOST

Nothing was changed. To do it, add --commit.
`, "", "apikeys", "create", "marco", "--name", "web shop")
	if n := d.scalar(`SELECT count(*)::text FROM "ApiKey"`); n != "0" {
		t.Fatalf("%s keys were made without --commit", n)
	}
	var made struct {
		Action, Actor, ID, RestaurantID, Slug, Name, Key string
		Committed                                        bool
	}
	d.json(&made, "", "apikeys", "create", "marco", "--name", "web shop", "--commit")
	if !secret.IsShopKey(made.Key) || d.scalar(`SELECT encode(hash, 'hex') FROM "ApiKey"`) == "" {
		t.Fatalf("%+v", made)
	}
	if k, err := d.db.FindShopKey(t.Context(), secret.HashShopKey(made.Key)); err != nil || k.RestaurantID != "marco" {
		t.Errorf("%+v, %v", k, err)
	}
	if all := d.scalar(`SELECT "ApiKey"::text FROM "ApiKey"`); strings.Contains(all, made.Key) {
		t.Error("the key itself is stored")
	}
	text := d.works("", "apikeys", "list", "marco")
	if !strings.Contains(text, made.ID+"  web shop  "+made.Key[:12]+"…") || strings.Contains(text, made.Key) || !strings.Contains(text, "never") {
		t.Error(text)
	}
	d.shows(2, "\nops: --name: say what the key is for, in up to 100 printable characters\n", "", "apikeys", "create", "marco", "--commit")
	d.shows(1, "\nops: there is no key \"key_x\"; see: ops apikeys list RESTAURANT\n", "", "apikeys", "revoke", "key_x", "--commit")
	// Whoever names the key itself has told it to the shell's history.
	if out, code := d.run("", "apikeys", "revoke", made.Key, "--commit"); code != 2 || strings.Contains(out, made.Key) {
		t.Errorf("exit %d\n%s", code, out)
	}
	d.works("", "apikeys", "revoke", made.ID)
	if _, err := d.db.FindShopKey(t.Context(), secret.HashShopKey(made.Key)); err != nil {
		t.Errorf("revoked without --commit: %v", err)
	}
	if out := d.works("", "apikeys", "revoke", made.ID, "--commit"); out != "Revoked the key "+made.ID+" (web shop) of marco.\n" {
		t.Error(out)
	}
	if _, code := d.run("", "apikeys", "revoke", made.ID, "--commit"); code != 1 {
		t.Errorf("twice: exit %d", code)
	}
	var all []event.ShopKey
	d.json(&all, "", "apikeys", "list", "marco")
	if len(all) != 1 || all[0].RevokedAt == nil || all[0].Name != "web shop" {
		t.Errorf("%+v", all)
	}
	for _, line := range []string{"anna@HOST | apikeys create", "anna@HOST | apikeys revoke"} {
		if !strings.Contains(d.audit(), line) {
			t.Errorf("no audit line %q:\n%s", line, d.audit())
		}
	}
}

// An order that another application has stored has a token, too.
func TestOrdersHaveTokens(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.restaurant("marco", "")
	d.exec(`INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency) VALUES ('o1', 'marco', 'PAYMENT_PENDING', 100, 'EUR')`)
	ring, err := secret.ParseRing(keyA)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ring.OrderTokens().Token("o1")+"\n", d.works("", "orders", "token", "o1")); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	d.shows(1, "\nops: there is no such order: o2\n", "", "orders", "token", "o2")
	d.keys = ""
	if _, code := d.run("", "orders", "token", "o1"); code != 1 {
		t.Errorf("without keys: exit %d", code)
	}
}

package api

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tillhook/pkg/order"
)

// One visitor can't use up what a restaurant's account at Stripe may be asked,
// however many orders they have: the other customers, another restaurant and the
// shop itself get through, and the visitor does again when it is their turn.
func TestOneVisitorLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	now := epoch
	sh := newShop(t, func(c *Config) {
		c.Now, c.TrustedProxies = func() time.Time { return now }, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	sh.world.begin = func(s order.CheckoutStart) (order.Checkout, error) {
		s.Request.PaymentID = "p_" + s.OrderID
		return order.Checkout{RestaurantID: s.OrderID[:1], PaymentID: "p_" + s.OrderID, Request: s.Request, Attempt: 1}, nil
	}
	checkout := func(id, from string, who ...string) reply {
		t.Helper()
		if len(who) == 0 {
			who = []string{sh.token(id)}
		}
		return sh.call("POST", "/api/v1/orders/"+id+"/checkout", "", who[0], "X-Forwarded-For: "+from)
	}
	const visitor, neighbour, guest = "2001:db8::1", "2001:db8::2", "198.51.100.7"
	asked := func(d time.Duration) int { // of Stripe, by ten orders that are checked out over and over from one network
		before := len(sh.world.asked)
		for end := now.Add(d); ; now = now.Add(100 * time.Millisecond) {
			for i := range 10 {
				got := checkout(fmt.Sprint("r", i), []string{visitor, neighbour}[i%2])
				if got.status != 200 && (got.status != 429 || got.header.Get("Retry-After") != "1") {
					t.Fatalf("%+v", got)
				}
			}
			if !now.Before(end) {
				return len(sh.world.asked) - before
			}
		}
	}
	if n := asked(10 * time.Second); n != visitorBurst+10*visitorPerSecond {
		t.Errorf("Stripe was asked %d times within ten seconds", n)
	}
	for what, got := range map[string]reply{
		"another customer": checkout("rx", guest), "another restaurant": checkout("s1", visitor), "the shop": checkout("o1", visitor, shopKey),
	} {
		if got.status != 200 {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got := checkout("rx", visitor); got.status != 429 || !strings.Contains(got.body, "from your address") {
		t.Errorf("the visitor with a fresh order: %+v", got)
	}
	now = now.Add(time.Second)
	if got := checkout("rx", visitor); got.status != 200 {
		t.Errorf("the visitor a second later: %+v", got)
	}
}

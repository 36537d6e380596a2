package api

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"tillhook/pkg/order"
)

// told is what a client that waits has been told since, "" for nothing.
func told(w *watcher) string {
	select {
	case s := <-w.latest:
		_, after, _ := strings.Cut(string(s.body), `"status":"`)
		status, _, _ := strings.Cut(after, `"`)
		return status
	default:
		return ""
	}
}

// However a client's own look and a read of the hub overlap, it is never told an
// older state than the one that it has seen, and always the newest in the end.
func TestNoStateGoesBackWhenReadsOverlap(t *testing.T) {
	t.Parallel()
	const before, now = order.Expired, order.PaymentPending // the customer has begun again
	for _, c := range []struct {
		name    string
		overlap func(sh *shop, read func(during func())) *watcher
		next    string
	}{
		{"it comes and looks while the hub reads the state before", func(sh *shop, read func(func())) (w *watcher) {
			read(func() {
				sh.world.put("o1", now)
				sh.hub.note([]string{"o1"})
				w = sh.hub.watch("o1")
				sh.hub.looked(w)
			})
			return w
		}, string(now)},
		{"the hub begins to read the state before, then it looks", func(sh *shop, read func(func())) *watcher {
			w := sh.hub.watch("o1")
			read(func() {
				sh.world.put("o1", now)
				sh.hub.looked(w)
			})
			return w
		}, string(now)},
		{"the hub has read the new state when it has seen the one before", func(sh *shop, read func(func())) *watcher {
			w := sh.hub.watch("o1")
			sh.world.put("o1", now)
			read(nil)
			sh.hub.looked(w)
			return w
		}, string(now)},
		{"the hub reads afterwards", func(sh *shop, _ func(func())) *watcher {
			w := sh.hub.watch("o1")
			sh.hub.looked(w)
			sh.world.put("o1", now)
			sh.hub.note([]string{"o1"})
			return w
		}, string(now)},
		{"nothing overlaps", func(sh *shop, read func(func())) *watcher {
			sh.world.put("o1", now)
			read(nil)
			w := sh.hub.watch("o1")
			sh.hub.looked(w)
			return w
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sh := newShop(t)
			sh.world.put("o1", before)
			sh.hub.looked(sh.hub.watch("o1")) // another, for whom the hub reads
			read := func(during func()) {
				sh.hub.note([]string{"o1"})
				sh.world.during = during
				sh.hub.read(t.Context())
			}
			w := c.overlap(sh, read)
			if got := told(w); got != "" {
				t.Errorf("told %s by a read that may be older than its look", got)
			}
			reads, more := len(sh.world.reads), 0
			if c.next != "" {
				more = 1
			}
			sh.hub.read(t.Context())
			if got := told(w); got != c.next {
				t.Errorf("then told %q, want %q", got, c.next)
			}
			if n := len(sh.world.reads) - reads; n != more {
				t.Errorf("%d more reads, want %d", n, more)
			}
		})
	}
}

// The same over the network: a customer whose payment has expired begins again,
// while the hub is still reading that it has expired. That is a last state: told
// now, it would end the stream, and the page would wait for nothing any more.
func TestWhoBeginsAgainIsNotToldOfTheEndBefore(t *testing.T) {
	t.Parallel()
	sh := newShop(t).listen()
	sh.world.put("o1", order.Expired)
	other := sh.hub.watch("o1")
	sh.hub.looked(other)
	reading, done := make(chan struct{}), make(chan struct{})
	sh.world.set(func() { sh.world.during = func() { close(reading); <-done } })
	sh.world.tell([]string{"o1"})
	<-reading // that it has expired
	sh.world.put("o1", order.PaymentPending)
	stream := events{bufio.NewReader(sh.get(t.Context(), "/api/v1/orders/o1/events", sh.token("o1")).Body)}
	next := func(want string) {
		t.Helper()
		if got, err := stream.next(); err != nil || !strings.Contains(fmt.Sprint(got), want) {
			t.Fatalf("%v, told %v, want %s", err, got, want)
		}
	}
	next("retry")
	next("PAYMENT_PENDING")
	close(done)
	if s := string((<-other.latest).body); !strings.Contains(s, "EXPIRED") { // who has seen nothing newer
		t.Errorf("the other is told %s", s)
	}
	sh.world.change("o1", order.Paid)
	next(`"PAID"`)
}

package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tillhook/pkg/order"
	"tillhook/pkg/telemetry"
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

// deaf is a world in which nobody may listen for the first few times.
type deaf struct {
	*world
	errs []error
}

func (d *deaf) WatchOrders(ctx context.Context, changed func([]string)) error {
	if len(d.errs) > 0 {
		err := d.errs[0]
		d.errs = d.errs[1:]
		return err
	}
	return d.world.WatchOrders(ctx, changed)
}

// A hub that may not listen tries again until it may: else whoever waits would be
// told late for as long as the process lives. Of each trouble it says once what
// it means.
func TestTheHubListensAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		canceled, full := errors.New("canceled"), errors.New("too many connections")
		d := &deaf{world: newWorld(), errs: []error{canceled, canceled, full, full, full}}
		var log strings.Builder
		h := newHub(d, telemetry.NewMetrics().NewAPI(), slog.New(slog.NewTextHandler(&log, nil)))
		w := h.watch("o1")
		h.looked(w)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.run(ctx)
		}()
		<-time.After(26 * time.Second)
		synctest.Wait()
		told(w) // what it has found when it began to listen
		if d.changed == nil {
			t.Error("it doesn't listen")
		} else {
			d.change("o1", order.Paid)
		}
		synctest.Wait()
		if got := told(w); got != string(order.Paid) {
			t.Errorf("told %q, want PAID at once", got)
		}
		stop()
		<-ended
		if n := strings.Count(log.String(), "noticed by looking only"); n != 2 {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
	})
}

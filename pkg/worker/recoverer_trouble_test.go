package worker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tillhook/pkg/worker"
)

func TestAnEventOrAPageThatFailsKeepsNoOtherFromRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(2000)
		b.errs = map[string]error{"0003": errors.New("a key of the wrong kind")}
		for i := 500; i < 1500; i++ { // two whole pages
			b.errs[fmt.Sprintf("%04d", i)] = errors.New("a slot is moving")
		}
		m, log, stop := b.recoverer(t, worker.RecovererConfig{Interval: time.Second})
		b.pass(1500 * time.Millisecond)
		if n := recovery(t, m); n != [3]float64{999, 10, 1001} {
			t.Errorf("recovered, mended, failed: %v", n)
		}
		if at, moved := b.moved["0003"]; !moved || at != 0 || len(b.moved) != 1001 {
			t.Errorf("%d claims given free, of 1001 that failed", len(b.moved))
		}
		b.errs = nil
		b.pass(time.Second)
		stop()
		if n := recovery(t, m); n != [3]float64{2000, 20, 1001} {
			t.Errorf("recovered, mended, failed in the end: %v", n)
		}
		if n := strings.Count(log.String(), "WARN"); n != 1 || !strings.Contains(log.String(), "a key of the wrong kind") {
			t.Errorf("%d warnings:\n%s", n, log)
		}
	})
}

// A service that is away is said once, and looked for gently.
func TestAnOutageIsOneWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(5000)
		_, log, stop := b.recoverer(t, worker.RecovererConfig{Age: time.Minute, Interval: 4 * time.Second})
		b.pageErr = errors.New("Postgres is away")
		b.pass(5 * time.Second)
		b.pageErr, b.away = nil, errors.New("Redis is away")
		b.pass(400 * time.Second)
		if b.asked != 100*3*500 {
			t.Errorf("asked for %d events in 100 passes, want three pages in each", b.asked)
		}
		b.away = nil
		b.pass(4 * time.Second)
		stop()
		if len(b.requeued) != 5000 {
			t.Errorf("%d recovered in the end", len(b.requeued))
		}
		if got := []int{strings.Count(log.String(), "WARN"), strings.Count(log.String(), "can be looked after again")}; got[0] != 1 || got[1] != 1 {
			t.Errorf("%d warnings and %d ends of them:\n%s", got[0], got[1], log)
		}
	})
}

// While the queue is long the recoverer adds nothing, keeps its place, and goes
// on as soon as there is room.
func TestTheRecovererWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(1000)
		b.room = 300
		m, _, stop := b.recoverer(t, worker.RecovererConfig{Interval: time.Second})
		b.pass(1500 * time.Millisecond)
		for round := range 14 { // the fleet works 50 off, twice a second
			if len(b.looks) != 1 || len(b.requeued) != 300+50*round {
				t.Fatalf("%d recovered in %d looks", len(b.requeued), len(b.looks))
			}
			b.room += 50
			b.pass(500 * time.Millisecond)
		}
		stop()
		if n := recovery(t, m); n[0] != 1000 {
			t.Errorf("recovered %g", n[0])
		}
		if !slices.IsSorted(b.requeued) {
			t.Error("not the oldest first")
		}
	})
}

// A queue that an operator has paused keeps the other queues' events waiting
// once, not page by page.
func TestAHaltedQueueIsPassedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(1500)
		b.room = 100
		_, _, stop := b.recoverer(t, worker.RecovererConfig{Interval: 10 * time.Second})
		b.pass(13 * time.Second)
		stop()
		if diff := cmp.Diff([]int{500, 500, 500, 0}, b.pages); diff != "" {
			t.Error("pages (-want +got)\n", diff)
		}
		if len(b.moved) != 1400 || b.moved["1499"] != 0 {
			t.Errorf("%d claims given free, want the 1400 that there was no room for", len(b.moved))
		}
	})
}

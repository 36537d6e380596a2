package app_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tillhook/pkg/devstack"
	"tillhook/pkg/stripetest"
)

// Thirty-two workers on the events of thousands of orders, all shuffled together
// and repeated: each order ends where the pure code says, and so does the money.
func TestAllOrdersOfArrivalEndInTheSameStates(t *testing.T) {
	t.Parallel()
	p := start(t, parts{redisURL: devstack.RealRedis(t).URL, env: []string{"WORKER_CONCURRENCY=32", "RECOVER_AFTER=30s"}})
	teller := storyteller{factory: p.factory}
	want, acked := map[string]ending{}, map[string]bool{}
	var tales []tale
	type arrival struct {
		pay   stripetest.Payment
		event stripetest.Event
	}
	var arrivals []arrival
	for range arrivingOrders {
		told := teller.tell()
		ends, err := foretell(told)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(want, ends)
		tales = append(tales, told)
		for _, e := range told.events {
			acked[e.ID] = true
		}
		for _, e := range p.factory.Duplicate(told.events) {
			arrivals = append(arrivals, arrival{told.payments[0], e})
		}
	}
	if err := store(t.Context(), p.db, tales); err != nil {
		t.Fatal(err)
	}
	rand.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
	started := time.Now()
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(arrivals)); i = next.Add(1) - 1 {
				got := p.deliver(arrivals[i].pay, arrivals[i].event)
				for got.status == http.StatusServiceUnavailable && t.Context().Err() == nil {
					pause(t.Context(), 100*time.Millisecond) // the machine is busy; Stripe would deliver again, too
					got = p.deliver(arrivals[i].pay, arrivals[i].event)
				}
				if got.status != http.StatusOK {
					t.Errorf("%s: %d %s", arrivals[i].event.Type, got.status, got.body)
				}
			}
		})
	}
	senders.Wait()
	told := time.Since(started)
	p.drains("events are worked off", func() int64 { return p.count(`status = 'PROCESSING'`) })
	c := p.atRest(acked, want)
	t.Logf("%d deliveries of %d events answered in %s, worked off after %s: %+v", len(arrivals), len(acked),
		told.Round(time.Millisecond), time.Since(started).Round(time.Millisecond), c)
}

// patience is how long nothing at all may happen. asynq gives the task of a
// worker that died back after its lease, 30 s, and another 30 s, at its next
// look, up to a minute later.
const patience = 150 * time.Second

// drains waits until nothing is left, for as long as it becomes less: how fast
// depends on the machine and on who else uses it.
func (p *product) drains(what string, left func() int64) {
	p.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	least, deadline := left(), time.Now().Add(patience)
	for n := least; n > 0; n = left() {
		if n < least {
			least, deadline = n, time.Now().Add(patience)
		}
		if time.Now().After(deadline) {
			p.Fatalf("%s: %d are left and have been for %s", what, n, patience)
		}
		<-tick.C
	}
}

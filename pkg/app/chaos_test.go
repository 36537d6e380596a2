package app_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	chaosLong = flag.Bool("chaos.long", false, "TestChaos: each fault several times, and two at a time, for some minutes")
	chaosSeed = flag.Uint64("chaos.seed", 0, "TestChaos: which faults come when; 0 draws one")
)

// Everything that can break breaks under load, and not one event that was
// answered with 200 is lost, counted twice or left lying.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	for seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	t.Logf("-chaos.seed=%d", seed)
	s := newStage(t)
	idle := s.sizes()
	stripe := newSender(s.product, seed)
	enough, done := context.WithCancel(t.Context())
	defer done()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	running.Go(func() { stripe.tell(enough) })
	running.Go(func() { stripe.pace(enough) })
	started := time.Now()
	running.Go(func() { stripe.send(enough) })

	pause(t.Context(), 2*time.Second)
	faults := s.suffer(stripe, rand.New(rand.NewPCG(seed, 2)))
	pause(t.Context(), 2*time.Second)
	load := time.Since(started)
	done()
	s.drains("deliveries get their 200", stripe.left)
	running.Wait()
	if s.lost(stripe.acked) != nil {
		t.FailNow() // others may wait for them, and it would take long to say so
	}
	s.drains("events are worked off", func() int64 { return s.count(`status = 'PROCESSING'`) })
	drained := time.Since(started) - load

	c := s.atRest(stripe.acked, stripe.want)
	s.leaksNothing(stripe, idle)
	s.report(stripe, faults, c, load, drained)
}

// suffer lets one fault follow the other and returns how many times each came.
func (s *stage) suffer(stripe *sender, r *rand.Rand) map[string]int {
	rounds, pauses, gap := 1, 3*time.Second, time.Second
	if *chaosLong {
		rounds, pauses, gap = 3, 20*time.Second, 2*time.Second
	}
	times := map[string]int{}
	for round := range rounds {
		plan := s.faults(r, pauses, round)
		r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
		if !*chaosLong {
			// A task that a worker or a connection took down with it comes back
			// when asynq gives it back, after one to two minutes. The long run
			// waits for that; here Redis forgets everything in the end, and the
			// recoverer sees to it.
			slices.SortStableFunc(plan, func(a, b fault) int { return strings.Count(a.name, "FLUSHALL") - strings.Count(b.name, "FLUSHALL") })
		}
		for len(plan) > 0 {
			now := plan[:1]
			if *chaosLong && len(plan) > 1 && r.IntN(3) == 0 && !meet(plan[0], plan[1]) {
				now = plan[:2]
			}
			plan = plan[len(now):]
			stripe.trouble.Add(1)
			for _, f := range now {
				times[f.name]++
				f.strike()
				pause(s.Context(), f.long/10+time.Duration(r.Int64N(int64(f.long*9/10))))
			}
			for _, f := range now {
				f.mend()
			}
			stripe.quietAt.Store(time.Now().Add(time.Second).UnixNano())
			stripe.trouble.Add(1)
			pause(s.Context(), gap/4+time.Duration(r.Int64N(int64(gap))))
		}
	}
	return times
}

// sizes is the most that each program holds while nothing is to be done, once it
// has started altogether: when a row of looks has found no more. To look takes some
// goroutines itself, now more, now fewer.
func (s *stage) sizes() map[string][2]int {
	s.Helper()
	sizes := map[string][2]int{}
	for name := range s.programs {
		same := 0
		s.eventually(name+" has started", func() bool {
			was, now := sizes[name], [2]int{s.measure(name, "go_goroutines"), s.measure(name, "process_open_fds")}
			sizes[name] = [2]int{max(was[0], now[0]), max(was[1], now[1])}
			if same++; was != sizes[name] || now[0] <= 0 || now[1] <= 0 {
				same = 0
			}
			return same >= 20
		})
	}
	return sizes
}

// What a program may hold more of than when it had done nothing yet: its pools
// are full. Goroutines come and go by a few; connections are 8 of a pool to
// Postgres, one to listen, and to Redis one for each of a worker's 256 tasks and
// 64 in each of the two pools beside them.
const moreGoroutines, moreFiles = 30, 3*8 + 2 + 256 + 2*64

// leaksNothing wants the programs to be as they were, and to leave nothing
// behind when they end.
func (s *stage) leaksNothing(stripe *sender, idle map[string][2]int) {
	s.Helper()
	stripe.client.CloseIdleConnections()
	for name, was := range idle {
		var is [2]int
		s.eventually(fmt.Sprintf("%s holds no more than before (%v goroutines and files)", name, was), func() bool {
			is = [2]int{s.measure(name, "go_goroutines"), s.measure(name, "process_open_fds")}
			return is[0] >= 0 && is[0] <= was[0]+moreGoroutines && is[1] <= was[1]+moreFiles
		})
		s.Logf("%s: %d goroutines (%d at its start), %d files (%d)", name, is[0], was[0], is[1], was[1])
	}
	// A pool has eight, an observer's two. Ingest's second one and each of the
	// two workers listen, too; whoever was killed is gone.
	most := map[string]int{"tillhook ingest": 8, "tillhook ingest lookups": 8 + 1, "tillhook worker": 2 * (8 + 1),
		"tillhook worker ledger": 2 * 8, "tillhook worker observer": 2 * 2}
	s.eventually("the connections are those of the programs that run", func() bool {
		for name, n := range s.connections() {
			if n > most[name] {
				return false
			}
		}
		return true
	})
	s.Logf("connections: %v", s.connections())
	for _, p := range s.programs {
		p.terminate(s.T)
	}
	s.eventually("no connection is left", func() bool { return len(s.connections()) == 0 })
}

func (s *stage) report(stripe *sender, faults map[string]int, c census, load, drained time.Duration) {
	s.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		fmt.Fprintf(&b, "\n  %-36s %d×", name, faults[name])
	}
	s.Logf("%s under load, and %s until all was done:%s", load.Round(time.Second), drained.Round(time.Second), b.String())
	s.Logf("%d deliveries, %.0f/s (asked for %d/s, at times %d/s), answers: %v", stripe.begun, float64(stripe.begun)/load.Seconds(),
		chaosRate, stripe.lowest, stripe.answers)
	s.Logf("acked %d, stored %d, completed %d, lost %d, counted twice %d, answered as duplicates %d; p99 outside faults %s of %d",
		c.acked, c.stored, c.completed, c.lost, c.twice, stripe.answers["duplicate"], stripe.p99().Round(time.Millisecond/10), len(stripe.calm))
}

package bench

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is deliveries to be posted over connections that are kept open.
type load struct {
	target      *url.URL
	connections int
	rate        float64       // a second; 0 is a closed loop: each connection sends when it has its answer
	lasting     time.Duration // of a closed loop; an open one ends with its deliveries
	deliveries  []delivery
	again       bool // begin anew when all are sent, for a receiver that keeps nothing
	uncounted   int  // of an open loop's first deliveries, whose latencies are left out
}

// outcome is what came of a load.
type outcome struct {
	acked, failed int
	fault         error // the first of the failures
	took          time.Duration
	latencies     []time.Duration // of what was acked and counts, in ascending order
	late          []time.Duration // open loop: how long after its time each was sent
	due           []int64         // open loop: unix nanoseconds at which each had to be sent
	sent          int             // how many deliveries were sent, or tried
}

// lane is one connection's share.
type lane struct {
	listener
	conn            conn
	latencies, late []time.Duration
	acked, failed   int
	fault           error
	last            time.Time
}

// send posts the load. In an open loop latency counts from the moment at which
// a delivery was due, so that a receiver that stalls is charged for everyone
// who would have come meanwhile.
func (l load) send(ctx context.Context) (outcome, error) {
	lanes := make([]lane, l.connections)
	defer func() {
		for i := range lanes {
			lanes[i].conn.close()
		}
	}()
	room := len(l.deliveries)/l.connections*2 + 64
	for i := range lanes {
		lanes[i].conn.target = l.target
		lanes[i].latencies = make([]time.Duration, 0, room)
		if err := lanes[i].conn.dial(ctx); err != nil {
			return outcome{}, err
		}
	}
	due := make([]int64, 0, len(l.deliveries))
	runtime.GC() // now, and not in the middle
	start := time.Now()
	for i := range l.deliveries {
		if l.rate > 0 {
			due = append(due, l.due(start, i).UnixNano())
		}
	}
	for i := range lanes {
		lanes[i].last = start
	}
	o := outcome{due: due}
	if l.rate > 0 {
		o.sent = l.pace(ctx, lanes, start)
	} else {
		o.sent = l.drive(ctx, lanes, start)
	}
	for i := range lanes {
		o.add(&lanes[i], start)
	}
	slices.Sort(o.latencies)
	slices.Sort(o.late)
	return o, ctx.Err()
}

// due is when an open loop's delivery i has to be sent.
func (l load) due(start time.Time, i int) time.Time {
	return start.Add(time.Duration(float64(i) / l.rate * 1e9))
}

func (o *outcome) add(l *lane, start time.Time) {
	o.latencies = append(o.latencies, l.latencies...)
	o.late = append(o.late, l.late...)
	o.acked += l.acked
	o.failed += l.failed
	if o.fault == nil {
		o.fault = l.fault
	}
	o.took = max(o.took, l.last.Sub(start))
}

// drive posts over each connection whenever it is free, until nothing or no time
// is left, and answers how many deliveries were sent.
func (l load) drive(ctx context.Context, lanes []lane, start time.Time) int {
	var taken atomic.Int64
	var sending sync.WaitGroup
	end := start.Add(l.lasting)
	for i := range lanes {
		lane := &lanes[i]
		sending.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				i := int(taken.Add(1) - 1)
				if l.again {
					i %= len(l.deliveries)
				}
				if i >= len(l.deliveries) {
					return
				}
				begun := time.Now()
				status, err := lane.conn.post(ctx, &l.deliveries[i])
				lane.ended(begun, status, err, true)
			}
		})
	}
	sending.Wait()
	return min(int(taken.Load()), len(l.deliveries))
}

// ended notes what came of a delivery that was due, or begun, at a moment.
func (l *lane) ended(begun time.Time, status int, err error, counts bool) {
	l.last = time.Now()
	if err != nil || status != http.StatusOK {
		l.failed++
		if l.fault == nil {
			l.fault = refusal(status, err)
		}
		return
	}
	l.acked++
	if counts {
		l.latencies = append(l.latencies, l.last.Sub(begun))
	}
}

package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// nothing is what a listener waits for when no delivery is under way.
const nothing = -1

// listener is who waits at an open loop's connection for the answers.
type listener struct {
	awaits atomic.Int64  // the delivery that is under way
	deaf   chan struct{} // closed when no answer will come any more
}

// pace sends each delivery of an open loop when it is due, over whichever
// connection is free, and returns how many were sent. It writes them itself: to wake
// somebody else for each would make it late, and cost as much as a receiver does.
func (l load) pace(ctx context.Context, lanes []lane, start time.Time) (sent int) {
	free := make(chan *lane, len(lanes))
	var listening sync.WaitGroup
	listen := func(lane *lane) {
		lane.awaits.Store(nothing)
		lane.deaf = make(chan struct{})
		listening.Go(func() { l.listen(lane, start, free) })
	}
	for i := range lanes {
		listen(&lanes[i])
		free <- &lanes[i]
	}
	defer func() {
		for i := range lanes {
			lanes[i].conn.close()
		}
		listening.Wait()
	}()
	sleepUntil, stop := newClock()
	defer stop()
	for i := range l.deliveries {
		due := l.due(start, i)
		sleepUntil(due)
		lane := next(ctx, free)
		if lane == nil {
			return i
		}
		lane.late = append(lane.late, time.Since(due))
		if err := lane.open(ctx, listen); err != nil {
			lane.ended(due, 0, err, false)
			free <- lane
			continue
		}
		lane.awaits.Store(int64(i))
		// The listener may have heard first that the connection is gone.
		if err := lane.conn.send(ctx, &l.deliveries[i]); err != nil && lane.awaits.CompareAndSwap(int64(i), nothing) {
			lane.ended(due, 0, err, false)
			free <- lane
		}
	}
	for range lanes {
		next(ctx, free)
	}
	return len(l.deliveries)
}

// next is a connection on which nothing is under way; nil when ctx is done.
func next(ctx context.Context, free <-chan *lane) *lane {
	select {
	case lane := <-free:
		return lane
	case <-ctx.Done():
		return nil
	}
}

// open connects again if the connection is gone, on which nothing is under way.
func (l *lane) open(ctx context.Context, listen func(*lane)) error {
	select {
	case <-l.deaf:
		l.conn.close()
	default:
	}
	if l.conn.net != nil {
		return nil
	}
	<-l.deaf
	if err := l.conn.dial(ctx); err != nil {
		return err
	}
	listen(l)
	return nil
}

// listen notes the answers that come over a connection, until none can come.
func (l load) listen(lane *lane, start time.Time, free chan<- *lane) {
	for {
		status, last, err := lane.conn.answer()
		i := int(lane.awaits.Swap(nothing))
		if i == nothing { // closed between two deliveries, or at the end
			close(lane.deaf)
			return
		}
		lane.ended(l.due(start, i), status, err, i >= l.uncounted)
		if last || err != nil {
			close(lane.deaf)
			free <- lane
			return
		}
		free <- lane
	}
}

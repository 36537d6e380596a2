// Package batch lets many callers share one round trip: each hands over one
// item and waits, one loop works off whatever is waiting.
//
// It never waits for more items than are there, so that a lone caller pays
// nothing; under load the batch is what arrived during the last round trip.
// Helpers may work on further batches beside it, but only where many wait.
package batch

import (
	"context"
	"errors"
	"sync"
)

// Errors of Do that are not the work's own.
var (
	ErrFull   = errors.New("batch: the queue is full")
	ErrClosed = errors.New("batch: closed")
)

// Config says what a Batcher does. Work is required.
type Config[T, R any] struct {
	// Work does one batch and answers one result per item, in their order, or
	// fails as a whole. Its error goes to every caller of the batch.
	Work func(ctx context.Context, items []T) ([]R, error)
	// Split, if set, says of Work's error that one of the items is to blame:
	// the batch is then tried in halves, and theirs, until only those at fault
	// fail.
	Split func(error) bool
	// After, if set, is called with each batch that succeeded, when its callers
	// have their results.
	After func(items []T, results []R)
	// Weigh, if set, is an item's weight (bytes); otherwise it is 0.
	Weigh func(T) int

	// Helpers is how many batches may be worked on beside the first, each when at
	// least Crowd items wait behind the one before. Work and After are then called by
	// several at once.
	Helpers, Crowd int

	MaxItems       int // in one batch, default 256
	MaxWeight      int // in one batch, default 4 MiB; one item may weigh more
	MaxQueued      int // items waiting, default 4096
	MaxQueueWeight int // weight waiting, default 64 MiB: memory stays flat when Work is slow
}

// Batcher is made by New and works once Run is called.
type Batcher[T, R any] struct {
	cfg   Config[T, R]
	queue chan *call[T, R]
	calls sync.Pool // of *call: answered ones, whose channel is empty

	mu     sync.RWMutex // held for reading while sending, so that Close can't close under a sender
	closed bool

	weightMu sync.Mutex
	weight   int
}

type call[T, R any] struct {
	item   T
	weight int
	answer chan answer[R] // buffered: a caller that gave up is not waited for
}

type answer[R any] struct {
	result R
	err    error
}

// New fills in the defaults of cfg.
func New[T, R any](cfg Config[T, R]) *Batcher[T, R] {
	setDefault(&cfg.MaxItems, 256)
	setDefault(&cfg.MaxWeight, 4<<20)
	setDefault(&cfg.MaxQueued, 4096)
	setDefault(&cfg.MaxQueueWeight, 64<<20)
	if cfg.Weigh == nil {
		cfg.Weigh = func(T) int { return 0 }
	}
	b := &Batcher[T, R]{cfg: cfg, queue: make(chan *call[T, R], cfg.MaxQueued)}
	b.calls.New = func() any { return &call[T, R]{answer: make(chan answer[R], 1)} }
	return b
}

func (b *Batcher[T, R]) call(item T) *call[T, R] {
	c := b.calls.Get().(*call[T, R])
	c.item, c.weight = item, b.cfg.Weigh(item)
	return c
}

func setDefault(n *int, def int) {
	if *n == 0 {
		*n = def
	}
}

// Do hands item over and waits for its result. A full queue is ErrFull at
// once. When ctx ends first the work may still be done.
func (b *Batcher[T, R]) Do(ctx context.Context, item T) (R, error) {
	c := b.call(item)
	var none R
	if err := b.send(c); err != nil {
		return none, err
	}
	select {
	case a := <-c.answer:
		var empty T
		c.item = empty // what is kept for later must not keep an item
		b.calls.Put(c)
		return a.result, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Offer hands item over if the queue is at most half full, and doesn't wait.
// It answers whether it was taken.
func (b *Batcher[T, R]) Offer(item T) bool {
	if len(b.queue) > b.cfg.MaxQueued/2 {
		return false
	}
	return b.send(b.call(item)) == nil
}

// Waiting is the number of items in the queue.
func (b *Batcher[T, R]) Waiting() int { return len(b.queue) }

func (b *Batcher[T, R]) send(c *call[T, R]) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return ErrClosed
	}
	if !b.reserve(c.weight) {
		return ErrFull
	}
	select {
	case b.queue <- c:
		return nil
	default:
		b.release(c.weight)
		return ErrFull
	}
}

// Close lets Run finish what is queued and return; Do and Offer refuse from
// here on. It may be called twice.
func (b *Batcher[T, R]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.queue)
	}
}

// Run works until Close was called and the queue is empty. ctx is Work's; its
// end doesn't end Run, so that nobody waits in vain.
func (b *Batcher[T, R]) Run(ctx context.Context) {
	var helping sync.WaitGroup
	crowded := make(chan struct{}) // unbuffered: heard only by a helper that has nothing to do
	for range b.cfg.Helpers {
		helping.Go(func() {
			for range crowded {
				select {
				case first, ok := <-b.queue:
					if ok {
						b.work(ctx, b.collect(first))
					}
				default: // somebody else has taken them
				}
			}
		})
	}
	for first := range b.queue {
		calls := b.collect(first)
		if b.cfg.Helpers > 0 && len(b.queue) >= b.cfg.Crowd {
			select {
			case crowded <- struct{}{}:
			default:
			}
		}
		b.work(ctx, calls)
	}
	close(crowded)
	helping.Wait()
}

// collect takes what is waiting behind the first, up to the limits of one batch.
func (b *Batcher[T, R]) collect(first *call[T, R]) []*call[T, R] {
	calls, weight := append(make([]*call[T, R], 0, 1+min(len(b.queue), b.cfg.MaxItems)), first), first.weight
	for len(calls) < b.cfg.MaxItems && weight < b.cfg.MaxWeight {
		select {
		case c, ok := <-b.queue:
			if !ok {
				return calls
			}
			calls = append(calls, c)
			weight += c.weight
		default:
			return calls
		}
	}
	return calls
}

func (b *Batcher[T, R]) work(ctx context.Context, calls []*call[T, R]) {
	items := make([]T, len(calls))
	for i, c := range calls {
		items[i] = c.item
	}
	results, err := b.cfg.Work(ctx, items)
	if err != nil && len(calls) > 1 && b.cfg.Split != nil && b.cfg.Split(err) {
		b.work(ctx, calls[:len(calls)/2])
		b.work(ctx, calls[len(calls)/2:])
		return
	}
	for i, c := range calls {
		a := answer[R]{err: err}
		if err == nil {
			a.result = results[i]
		}
		b.release(c.weight)
		c.answer <- a // from here on it is the caller's
	}
	if err == nil && b.cfg.After != nil {
		b.cfg.After(items, results)
	}
}

func (b *Batcher[T, R]) reserve(weight int) bool {
	b.weightMu.Lock()
	defer b.weightMu.Unlock()
	if b.weight > 0 && b.weight+weight > b.cfg.MaxQueueWeight {
		return false
	}
	b.weight += weight
	return true
}

func (b *Batcher[T, R]) release(weight int) {
	b.weightMu.Lock()
	defer b.weightMu.Unlock()
	b.weight -= weight
}

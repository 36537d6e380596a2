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
	"slices"
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

	// Helpers is how many batches may be worked on beside the first, each begun when
	// at least Crowd items wait for it. Work and After are then called by several at
	// once.
	Helpers, Crowd int

	MaxItems       int // in one batch, default 256
	MaxWeight      int // in one batch, default 4 MiB; one item may weigh more
	MaxQueued      int // items waiting, default 4096
	MaxQueueWeight int // weight waiting, default 64 MiB: memory stays flat when Work is slow
}

// Batcher is made by New and works once Run is called.
type Batcher[T, R any] struct {
	cfg   Config[T, R]
	calls sync.Pool // of *call: answered ones, whose channel is empty

	mu      sync.Mutex
	turn    *sync.Cond    // somebody may begin a batch, or nobody ever again
	queue   []*call[T, R] // those that wait, the first one first
	weight  int           // theirs, and of those that are worked on
	working int           // batches
	closed  bool
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
	b := &Batcher[T, R]{cfg: cfg}
	b.turn = sync.NewCond(&b.mu)
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
	if b.Waiting() > b.cfg.MaxQueued/2 {
		return false
	}
	return b.send(b.call(item)) == nil
}

// Waiting is the number of items in the queue.
func (b *Batcher[T, R]) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

func (b *Batcher[T, R]) send(c *call[T, R]) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return ErrClosed
	case len(b.queue) == b.cfg.MaxQueued, b.weight > 0 && b.weight+c.weight > b.cfg.MaxQueueWeight:
		return ErrFull
	}
	b.queue, b.weight = append(b.queue, c), b.weight+c.weight
	if n := len(b.queue); b.ready() && (n == 1 || n == b.cfg.Crowd) { // for those between, somebody is on the way
		b.turn.Signal()
	}
	return nil
}

// ready reports whether a batch may begin: the only one at once, and one beside
// others where many wait.
func (b *Batcher[T, R]) ready() bool {
	return len(b.queue) > 0 && (b.working == 0 || len(b.queue) >= b.cfg.Crowd)
}

// Close lets Run finish what is queued and return; Do and Offer refuse from
// here on. It may be called twice.
func (b *Batcher[T, R]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.turn.Broadcast()
}

// Run works until Close was called and the queue is empty. ctx is Work's; its
// end doesn't end Run, so that nobody waits in vain.
func (b *Batcher[T, R]) Run(ctx context.Context) {
	var all sync.WaitGroup
	for range 1 + b.cfg.Helpers {
		all.Go(func() {
			for calls := b.begin(); calls != nil; calls = b.begin() {
				b.work(ctx, calls)
				b.end()
			}
		})
	}
	all.Wait()
}

// begin waits for a batch and takes it; nil after Close, if nothing is left that
// one who is still at work won't take.
func (b *Batcher[T, R]) begin() []*call[T, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.ready() {
		if b.closed {
			return nil
		}
		b.turn.Wait()
	}
	n, weight := 0, 0
	for n < len(b.queue) && n < b.cfg.MaxItems && (n == 0 || weight < b.cfg.MaxWeight) {
		weight += b.queue[n].weight
		n++
	}
	calls := slices.Clone(b.queue[:n])
	b.queue = slices.Delete(b.queue, 0, n)
	b.working++
	if b.ready() {
		b.turn.Signal()
	}
	return calls
}

func (b *Batcher[T, R]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.working--
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
	b.release(calls)
	for i, c := range calls {
		a := answer[R]{err: err}
		if err == nil {
			a.result = results[i]
		}
		c.answer <- a // from here on it is the caller's
	}
	if err == nil && b.cfg.After != nil {
		b.cfg.After(items, results)
	}
}

// release is before the answers: who has one finds room for the next item.
func (b *Batcher[T, R]) release(calls []*call[T, R]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range calls {
		b.weight -= c.weight
	}
}

package batch

import (
	"context"
	"maps"
	"sync"
	"time"
)

const (
	// resolution is how exactly people want to know when something was last
	// used: it costs one row a minute for each thing, however busy.
	resolution = time.Minute
	// storeWithin bounds one attempt to store.
	storeWithin = 2 * time.Second
	// outOfUse is when a key is forgotten; its next use is stored at once.
	outOfUse = time.Hour
)

// Latest collects when things were last used, to the minute, and stores what is
// due now and then; the first use of one at once, since somebody may decide by
// whether there was any. What can't be stored is tried again.
type Latest[K comparable] struct {
	store    func(ctx context.Context, due map[K]time.Time) error
	interval time.Duration
	first    chan struct{} // something is due that was not known

	mu   sync.RWMutex
	last map[K]time.Time // what is stored, or waits to be
	due  map[K]time.Time
}

// NewLatest makes one that stores every so often while it runs. store is never
// called with nothing; it tells of its errors itself.
func NewLatest[K comparable](interval time.Duration, store func(ctx context.Context, due map[K]time.Time) error) *Latest[K] {
	return &Latest[K]{store: store, interval: interval, first: make(chan struct{}, 1), last: map[K]time.Time{}, due: map[K]time.Time{}}
}

// Note says that k is used. It may be on the path of every request: all but one
// a minute only read.
func (l *Latest[K]) Note(k K, at time.Time) {
	l.mu.RLock()
	last, known := l.last[k]
	l.mu.RUnlock()
	if known && at.Sub(last) < resolution {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[k], l.due[k] = at, at
	if known {
		return
	}
	select {
	case l.first <- struct{}{}:
	default: // somebody has said so already
	}
}

// Run stores what is due until ctx ends, and then once more.
func (l *Latest[K]) Run(ctx context.Context) {
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	first := l.first
	for {
		select {
		case <-ctx.Done():
			_ = l.Flush(context.WithoutCancel(ctx)) // store has told of it
			return
		case <-first:
		case <-tick.C:
		}
		if first = l.first; l.Flush(ctx) != nil {
			first = nil // what is away is not asked again for every one
		}
	}
}

// Flush stores what is due.
func (l *Latest[K]) Flush(ctx context.Context) error {
	l.mu.Lock()
	due := l.due
	l.due = map[K]time.Time{}
	maps.DeleteFunc(l.last, func(_ K, at time.Time) bool { return time.Since(at) > outOfUse })
	l.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	err := l.store(ctx, due)
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, at := range due {
		if _, newer := l.due[k]; !newer {
			l.due[k] = at
		}
	}
	return err
}

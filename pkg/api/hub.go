package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tillhook/pkg/telemetry"
)

const (
	// lookInterval is how long a lost notification can go unnoticed, and how
	// often everybody's order is read where there are none, as behind some
	// poolers.
	lookInterval = 15 * time.Second
	// lookAgain is the pause after a read that has failed.
	lookAgain = 500 * time.Millisecond
	// maxLook bounds one read, in orders: those who wait for the first are told
	// while the next are read.
	maxLook = 1000
)

// hub tells those who wait for an order when it has changed. There is one for a
// process, with one connection that listens, however many wait.
type hub struct {
	orders  Orders
	metrics *telemetry.API
	log     *slog.Logger
	due     chan struct{} // holds one when there is something to read

	mu      sync.Mutex
	waiting map[string]map[*watcher]struct{} // by order
	changed map[string]struct{}              // those of them to be read again
	all     bool                             // all are
}

// watcher is one client that waits for one order.
type watcher struct {
	orderID string
	// latest holds the newest state that the client has not been told yet:
	// whoever is slow misses what was in between, and nobody waits for it.
	latest chan *state
}

func newHub(orders Orders, m *telemetry.API, log *slog.Logger) *hub {
	return &hub{
		orders: orders, metrics: m, log: log, due: make(chan struct{}, 1),
		waiting: map[string]map[*watcher]struct{}{}, changed: map[string]struct{}{},
	}
}

// watch begins to wait. What changes from now on is told; the state before is
// for the caller to read afterwards.
func (h *hub) watch(orderID string) *watcher {
	w := &watcher{orderID: orderID, latest: make(chan *state, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[orderID] == nil {
		h.waiting[orderID] = map[*watcher]struct{}{}
	}
	h.waiting[orderID][w] = struct{}{}
	return w
}

func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[w.orderID], w)
	if len(h.waiting[w.orderID]) == 0 {
		delete(h.waiting, w.orderID)
		delete(h.changed, w.orderID)
	}
}

// run listens until ctx ends.
func (h *hub) run(ctx context.Context) {
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		if err := h.orders.WatchOrders(ctx, h.note); err != nil && ctx.Err() == nil {
			h.log.Warn("changes of orders are noticed by looking only", "interval", lookInterval, "error", err)
		}
	}()
	defer func() { <-listening }()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.note(nil)
			continue
		case <-h.due:
		}
		if h.read(ctx) {
			continue
		}
		select { // the server may be away
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
	}
}

// note remembers what is to be read, if anybody waits for it; nil is everything.
func (h *hub) note(ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = h.all || ids == nil
	for _, id := range ids {
		if h.waiting[id] != nil {
			h.changed[id] = struct{}{}
		}
	}
	if h.all || len(h.changed) > 0 {
		h.wake()
	}
}

// wake makes run read; twice is once.
func (h *hub) wake() {
	select {
	case h.due <- struct{}{}:
	default:
	}
}

// read reads in one query what a burst of notifications has named, and tells
// those who wait. It reports whether it could.
func (h *hub) read(ctx context.Context) bool {
	ids := h.take()
	if len(ids) == 0 {
		return true
	}
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	views, err := h.orders.Views(look, ids)
	if err != nil {
		if ctx.Err() == nil {
			h.metrics.Misses.Inc()
			h.log.Warn("changed orders not read, trying again", "orders", len(ids), "error", err)
		}
		h.note(ids)
		return false
	}
	h.metrics.Looks.Add(float64(len(views)))
	for _, v := range views {
		h.tell(v.ID, newState(v))
	}
	return true
}

// take is what is to be read now; the rest stays for the next time.
func (h *hub) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all {
		h.all = false
		for id := range h.waiting {
			h.changed[id] = struct{}{}
		}
	}
	ids := make([]string, 0, min(len(h.changed), maxLook))
	for id := range h.changed {
		if len(ids) == maxLook {
			h.wake()
			break
		}
		ids = append(ids, id)
		delete(h.changed, id)
	}
	return ids
}

// tell puts the state where each client that waits for it will find it.
func (h *hub) tell(orderID string, s *state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiting[orderID] {
		select {
		case <-w.latest: // it was not fetched: it is old now
		default:
		}
		w.latest <- s
	}
}

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
	// listenAgain is the pause before the next try to listen: Postgres may refuse
	// it, as when it has little time.
	listenAgain = 5 * time.Second
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
	reads   int                              // begun; one begins after the other has ended
}

// watcher is one client that waits for one order.
type watcher struct {
	orderID string
	// latest holds the newest state that the client has not been told yet:
	// whoever is slow misses what was in between, and nobody waits for it.
	latest chan *state

	// A client must not be told an older state after a newer one, and a read that
	// was under way beside its own look may be either. Hence it is told only what
	// later reads find; of an earlier one it is known that there may be news.
	looked bool
	reads  int  // of the hub, begun until it had looked
	news   bool // there was a read before it had looked
}

func newHub(orders Orders, m *telemetry.API, log *slog.Logger) *hub {
	return &hub{
		orders: orders, metrics: m, log: log, due: make(chan struct{}, 1),
		waiting: map[string]map[*watcher]struct{}{}, changed: map[string]struct{}{},
	}
}

// watch begins to wait. The state now is for the caller to read afterwards; what
// changes after that is told once the caller has said with looked that it did.
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

// looked says that the caller has read how the order stands.
func (h *hub) looked(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.looked, w.reads = true, h.reads
	if w.news {
		h.again(w.orderID)
	}
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

// listen hears of changes until ctx ends, and says once why it doesn't.
func (h *hub) listen(ctx context.Context) {
	for said := ""; ctx.Err() == nil; {
		err := h.orders.WatchOrders(ctx, h.note)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			h.log.Warn("for now changes of orders are noticed by looking only", "interval", lookInterval, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// run reads what changes until ctx ends.
func (h *hub) run(ctx context.Context) {
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		h.listen(ctx)
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

// again has an order read once more. It is called with the lock.
func (h *hub) again(orderID string) {
	h.changed[orderID] = struct{}{}
	h.wake()
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
	ids, number := h.take()
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
		h.tell(v.ID, newState(v), number)
	}
	return true
}

// take is what is to be read now, and the number of the read that begins with it;
// the rest stays for the next time.
func (h *hub) take() ([]string, int) {
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
	h.reads++
	return ids, h.reads
}

// tell puts the state that a read has found where each client that waits for it
// will find it.
func (h *hub) tell(orderID string, s *state, number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiting[orderID] {
		if !w.looked {
			w.news = true
			continue
		}
		if number <= w.reads {
			h.again(orderID)
			continue
		}
		select {
		case <-w.latest: // it was not fetched: it is old now
		default:
		}
		w.latest <- s
	}
}

package telemetry

import "sync"

// maxNames bounds the values of a label that the world chooses: each one is a
// series for as long as the process lives.
const maxNames = 200

// names are the first that came.
type names struct {
	mu   sync.Mutex
	seen map[string]bool
}

// known is the name, or "other" if there are too many.
func (n *names) known(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.seen[name] {
		if len(n.seen) >= maxNames {
			return "other"
		}
		n.seen[name] = true
	}
	return name
}

// Refused counts a delivery that nobody's secret signed. The restaurant is ""
// if none was found.
func (m *Metrics) Refused(cause, restaurant string) {
	m.Failures.WithLabelValues(cause).Inc()
	m.failedAt.WithLabelValues(m.failing.known(restaurant)).Inc()
}

package admin

import "sync"

const (
	// A browser opens six connections to a server: one tab that is live too
	// many, and no page of the panel would load any more.
	streamsOfOperator = 5
	streamsOfAll      = 60
)

// streams are the live pages that are open, so many and no more: each one costs
// a connection and a goroutine for as long as somebody keeps a tab open.
type streams struct {
	mu   sync.Mutex
	open map[*stream]bool
}

// stream is one of them.
type stream struct {
	operatorID, token string
	over              chan struct{} // closed when its session has ended
}

func newStreams() *streams { return &streams{open: map[*stream]bool{}} }

// join answers nil if there are too many.
func (s *streams) join(operatorID, token string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	theirs := 0
	for one := range s.open {
		if one.operatorID == operatorID {
			theirs++
		}
	}
	if theirs >= streamsOfOperator || len(s.open) >= streamsOfAll {
		return nil
	}
	one := &stream{operatorID: operatorID, token: token, over: make(chan struct{})}
	s.open[one] = true
	return one
}

func (s *streams) leave(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
}

// end ends the streams of a session.
func (s *streams) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		if one.token == token {
			close(one.over)
			delete(s.open, one)
		}
	}
}

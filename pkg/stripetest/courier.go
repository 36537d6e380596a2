package stripetest

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Webhook is where an account's events are delivered.
type Webhook struct {
	URL    string        // "" for nowhere
	Secret string        // they are signed with
	Delay  time.Duration // until a delivery: customers are often back before it
	// Delivered is told of each delivery, with the answer's status or why there
	// was none; nil is fine. It is called by one goroutine for each step of a
	// customer.
	Delivered func(e Event, status int, err error)
}

// deliverWithin bounds one delivery.
const deliverWithin = 20 * time.Second

// courier does what happens later: deliveries, and banks that take their time.
type courier struct {
	client *http.Client
	ctx    context.Context // ends with Close; what waits belongs to no request
	stop   context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func newCourier() *courier {
	ctx, stop := context.WithCancel(context.Background())
	return &courier{client: &http.Client{Timeout: deliverWithin, Transport: &http.Transport{}}, ctx: ctx, stop: stop}
}

func (c *courier) close() {
	c.mu.Lock()
	c.closed = true // so that nobody starts while it waits
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
	c.client.CloseIdleConnections()
}

// later does something in a while, unless close comes first.
func (c *courier) later(wait time.Duration, do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.running.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			do()
		case <-c.ctx.Done():
		}
	})
}

// deliver posts events one after the other, each once: what gets lost is found
// in the list of events.
func (c *courier) deliver(to Webhook, events []Event) {
	if to.URL == "" {
		return
	}
	c.later(to.Delay, func() {
		for _, e := range events {
			status, _, err := Post(c.ctx, c.client, to.URL, to.Secret, e, time.Now())
			if to.Delivered != nil {
				to.Delivered(e, status, err)
			}
		}
	})
}

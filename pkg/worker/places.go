package worker

import (
	"sync"
	"time"
)

const (
	// A thin event holds its task for as long as Stripe takes, up to the task's
	// end. Whatever Stripe does, three quarters of the tasks are left to events
	// that need nobody; and to the other restaurants, three quarters of the places.
	maxPlaces  = 32
	placeShare = 4

	// Those turned away come back one by one, as fast as Stripe is asked about
	// one restaurant: together they would find the same few places. The last of
	// a long line, which would wait for hours, come a little too early.
	turnEvery = 100 * time.Millisecond
	maxTurn   = 10 * time.Minute
)

// places are where thin events are followed: so many at a time, and so many of
// one restaurant. Nobody waits for one.
type places struct {
	all, each int

	mu    sync.Mutex
	taken int
	of    map[string]*placesOf // by restaurant
}

// placesOf are one restaurant's.
type placesOf struct {
	taken int
	last  time.Time // when the last of those turned away comes back
}

// newPlaces makes those of a fleet that works on so many tasks at a time.
func newPlaces(tasks int) *places {
	all := max(1, min(maxPlaces, tasks/placeShare))
	return &places{all: all, each: max(1, all/placeShare), of: map[string]*placesOf{}}
}

// take takes a place, if there is one; leave gives it back.
func (p *places) take(restaurantID string) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.restaurant(restaurantID)
	if p.taken == p.all || of.taken == p.each {
		return nil, false
	}
	p.taken++
	of.taken++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		of.taken--
		if of.taken == 0 && time.Now().After(of.last) {
			delete(p.of, restaurantID) // as good as a new one
		}
	}, true
}

// turn is how long from now on one that was turned away may stay away.
func (p *places) turn(restaurantID string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, now := p.restaurant(restaurantID), time.Now()
	if of.last.Before(now) {
		of.last = now
	}
	if of.last.Sub(now) < maxTurn {
		of.last = of.last.Add(turnEvery)
	}
	return of.last.Sub(now)
}

// restaurant is to be called with the lock.
func (p *places) restaurant(id string) *placesOf {
	of := p.of[id]
	if of == nil {
		of = &placesOf{}
		p.of[id] = of
	}
	return of
}

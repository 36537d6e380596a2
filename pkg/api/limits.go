package api

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"
)

const (
	// One address may give so many wrong tokens and keys before it is told to
	// wait. Right ones are never limited by this.
	failuresPerSecond = 2
	failuresBurst     = 50

	// A restaurant's storefront may create so many orders: more than a kitchen
	// can cook, and few enough that a loop gone wild is stopped.
	ordersPerSecond = 20
	ordersBurst     = 100

	// A customer who clicks and clicks is sent to the same session, and each
	// click asks Stripe about it.
	checkoutsPerSecond = 2
	checkoutsBurst     = 20

	// One address may ask a restaurant's Stripe account so often, whatever the number
	// of its orders: well below the ten a second that the account is asked of one
	// process, so that the restaurant's other customers get through, and Stripe's own
	// limit is left to the workers, who have a share of their own. A dining room
	// behind one address has enough of it.
	visitorPerSecond = 4
	visitorBurst     = 20

	// How many addresses, keys and orders are remembered; the oldest go first.
	remembered    = 10_000
	rememberedFor = 10 * time.Minute

	// DefaultMaxWaiting is how many clients may wait at a time, in one process
	// and of one address. Behind one address there may be a whole dining room.
	DefaultMaxWaiting  = 8000
	maxWaitingPerPlace = 200
)

// buckets limits each of many names by itself.
type buckets struct {
	all    *lru.LRU[string, *rate.Limiter]
	rate   rate.Limit
	burst  int
	making sync.Mutex
}

func newBuckets(perSecond float64, burst int) *buckets {
	return &buckets{all: lru.NewLRU[string, *rate.Limiter](remembered, nil, rememberedFor), rate: rate.Limit(perSecond), burst: burst}
}

// take takes one from the name's account; wait is when there is one again, 0 if
// there was.
func (b *buckets) take(name string, now time.Time) (wait time.Duration) {
	b.making.Lock()
	defer b.making.Unlock()
	l, ok := b.all.Get(name)
	if !ok {
		l = rate.NewLimiter(b.rate, b.burst)
		b.all.Add(name, l)
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(b.rate))
}

// room is how many clients may wait.
type room struct {
	size, perPlace int

	mu      sync.Mutex
	here    int
	byPlace map[string]int
}

func newRoom(size, perPlace int) *room {
	return &room{size: size, perPlace: perPlace, byPlace: map[string]int{}}
}

// enter takes a place, or answers why there is none.
func (r *room) enter(address string) *problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.here >= r.size:
		return newProblem(503, "too-many-waiting", "Too many are waiting", "Please ask again without waiting.").after(soon)
	case r.byPlace[address] >= r.perPlace:
		return tooMany("Too many from your address are waiting. Please ask again without waiting.", soon)
	}
	r.here++
	r.byPlace[address]++
	return nil
}

func (r *room) leave(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.here--
	if r.byPlace[address]--; r.byPlace[address] == 0 {
		delete(r.byPlace, address)
	}
}

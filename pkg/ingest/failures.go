package ingest

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"

	"tillhook/pkg/web"
)

const (
	// maxKeptPayload is how much of a refused body is stored, in bytes.
	maxKeptPayload = 4 << 10

	// One address may fail this often before it is told to wait. A restaurant
	// with a wrong secret makes Stripe's own addresses fail, which then only
	// changes the refusal's number.
	failuresPerSecond = 5
	failuresBurst     = 100

	// Rows per minute that failures may fill, with one restaurant's share.
	rowsPerMinute           = 600
	rowsPerRestaurantMinute = 60

	// How many addresses and restaurants are remembered; the oldest go first.
	rememberedFailures = 10_000
)

// failures limits what unsigned traffic can cost.
type failures struct {
	rows      *rate.Limiter
	addresses *lru.LRU[string, *rate.Limiter]
	tenants   *lru.LRU[string, *rate.Limiter]
}

func newFailures() *failures {
	return &failures{
		rows:      rate.NewLimiter(rowsPerMinute/60.0, rowsPerMinute),
		addresses: lru.NewLRU[string, *rate.Limiter](rememberedFailures, nil, time.Hour),
		tenants:   lru.NewLRU[string, *rate.Limiter](rememberedFailures, nil, time.Hour),
	}
}

// allow takes one failure from the address's account.
func (f *failures) allow(address string, now time.Time) bool {
	return limiter(f.addresses, web.Place(address), failuresPerSecond, failuresBurst).AllowN(now, 1)
}

// keep reports whether a failure may become a row: the restaurant's share
// first, so that one restaurant's noise doesn't use up everybody's.
func (f *failures) keep(restaurantID string, now time.Time) bool {
	return limiter(f.tenants, restaurantID, rowsPerRestaurantMinute/60.0, rowsPerRestaurantMinute).AllowN(now, 1) &&
		f.rows.AllowN(now, 1)
}

// limiter finds or makes the bucket of key. Two that are made at once are a
// token too many, no more.
func limiter(all *lru.LRU[string, *rate.Limiter], key string, perSecond float64, burst int) *rate.Limiter {
	l, ok := all.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Limit(perSecond), burst)
		all.Add(key, l)
	}
	return l
}

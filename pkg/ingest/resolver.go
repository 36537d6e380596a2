package ingest

import (
	"context"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/expirable"

	"tillhook/pkg/event"
)

// Lookup finds restaurants by what a body names. "" and nil mean unknown.
type Lookup interface {
	RestaurantOfOrder(ctx context.Context, orderID string) (string, error)
	RestaurantsOfObjects(ctx context.Context, objectIDs []string) ([]string, error)
}

const (
	// A delivery that names nothing we know is tried against every secret
	// there is, but only while that is cheap: an HMAC over 64 KiB is about
	// 40 µs, and anyone can ask for it.
	maxTrialTenants = 16
	maxTrialBody    = 64 << 10

	// An order's restaurant never changes; an order that isn't there may be the
	// next moment.
	hintCacheSize = 20_000
	hitTTL        = 10 * time.Minute
	missTTL       = 2 * time.Second
)

// resolver says whose secrets a delivery is tried against. What it reads of
// the body is untrusted; the secret that matches decides.
type resolver struct {
	directory *Directory
	lookup    Lookup
	hits      *lru.LRU[string, string]
	misses    *lru.LRU[string, struct{}]
}

func newResolver(d *Directory, l Lookup) *resolver {
	return &resolver{
		directory: d, lookup: l,
		hits:   lru.NewLRU[string, string](hintCacheSize, nil, hitTTL),
		misses: lru.NewLRU[string, struct{}](hintCacheSize, nil, missTTL),
	}
}

// named are the restaurants that the URL may mean: none, one, or two where the
// slug of one is the id of the other.
func (s *snapshot) named(slugOrID string) []*tenant {
	var found []*tenant
	for _, t := range []*tenant{s.bySlug[slugOrID], s.byID[slugOrID]} {
		if t != nil {
			found = join(found, t)
		}
	}
	return found
}

// only is the one restaurant that it can be, nil if it may be another or none.
func only(found []*tenant) *tenant {
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// candidates lists the restaurants that the delivery may be for: the first
// hint that leads anywhere decides.
func (r *resolver) candidates(ctx context.Context, s *snapshot, env event.Envelope, size int) ([]*tenant, error) {
	if t := s.byID[env.Hints.RestaurantID]; t != nil {
		return []*tenant{t}, nil
	}
	if id := env.Hints.OrderID; id != "" {
		restaurant, err := r.ofOrder(ctx, id)
		if err != nil || restaurant != "" {
			return s.tenants([]string{restaurant}), err
		}
	}
	// A claim on an object hides nobody: whoever else may be meant is tried too.
	var found []*tenant
	if ids := env.Hints.Objects; len(ids) > 0 {
		// Not kept: a forger could have one id lead to their own restaurant,
		// and a kept answer would hide the real one that comes later.
		ids, err := r.lookup.RestaurantsOfObjects(ctx, ids)
		if err != nil {
			return nil, err
		}
		found = s.tenants(ids)
	}
	if of := affordable(s.byAccount[env.Account], size); len(of) > 0 {
		return join(found, of...), nil
	}
	if len(s.active) == 1 || len(s.active) <= maxTrialTenants && size <= maxTrialBody {
		return join(found, s.active...), nil
	}
	return found, nil
}

// affordable are those of the restaurants with one account that are tried: no more
// than in a trial of all, and of a longer body only one.
func affordable(of []*tenant, size int) []*tenant {
	if size > maxTrialBody {
		return of[:min(len(of), 1)]
	}
	return of[:min(len(of), maxTrialTenants)]
}

// join appends those of more that are not in found yet.
func join(found []*tenant, more ...*tenant) []*tenant {
	for _, t := range more {
		if !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	return found
}

// ofOrder remembers the answer.
func (r *resolver) ofOrder(ctx context.Context, orderID string) (string, error) {
	if restaurant, known := r.hits.Get(orderID); known {
		return restaurant, nil
	}
	if _, missed := r.misses.Get(orderID); missed {
		return "", nil
	}
	restaurant, err := r.lookup.RestaurantOfOrder(ctx, orderID)
	switch {
	case err != nil:
		return "", err
	case restaurant == "":
		r.misses.Add(orderID, struct{}{})
	default:
		r.hits.Add(orderID, restaurant)
	}
	return restaurant, nil
}

func (s *snapshot) tenants(ids []string) []*tenant {
	var found []*tenant
	for _, id := range ids {
		if t := s.byID[id]; t != nil {
			found = append(found, t)
		}
	}
	return found
}

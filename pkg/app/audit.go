package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
	"tillhook/pkg/stripe"
	"tillhook/pkg/worker"
)

const (
	// auditPage is how many orders are read at one moment. What is in memory
	// is their facts, and one event at a time.
	auditPage = 200
	// auditEventPage is how many unplaced events are in memory at a time.
	auditEventPage = 500
	// auditWorkers fold side by side: half of the time goes into decoding.
	auditWorkers = 4
	// maxDifferences are kept; beyond that nobody reads them one by one.
	maxDifferences = 10000
)

// audited is the answer of an audit.
type audited struct {
	written
	Orders      int                  `json:"orders"`     // that were compared
	Unfinished  int                  `json:"unfinished"` // orders with an event under way, not compared
	Events      int                  `json:"events"`     // that were folded
	Received    map[string]int64     `json:"received"`   // by currency, minor units: of all settled payments
	Refunded    map[string]int64     `json:"refunded"`   // likewise: amountRefunded
	Seconds     float64              `json:"seconds"`
	Count       int                  `json:"count"` // of differences, those settled by hand apart
	ByHand      int                  `json:"byHand"`
	Mended      int                  `json:"mended"`
	Left        []string             `json:"left,omitempty"` // orders and events to be mended, which somebody held
	Differences []order.Difference   `json:"differences"`    // the first 10,000
	recompute   map[string]orderFold // what mends or has mended, by order
	replay      []string             // likewise, events
	restaurants map[string]string    // ids, by order that differs
	slugs       map[string]string    // by restaurant's id
}

type orderFold map[string]order.Facts // by payment

// auditing is one audit under way.
type auditing struct {
	db       *postgres.DB
	scope    postgres.AuditScope
	progress *progress

	mu     sync.Mutex
	answer audited
}

func (a *auditing) run(ctx context.Context) error {
	started := time.Now()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return a.unplaced(ctx) })
	all.Go(func() error {
		pages, ctx := errgroup.WithContext(ctx)
		pages.SetLimit(auditWorkers)
		for after := ""; ; {
			ids, err := a.db.AuditOrderIDs(ctx, a.scope, after, auditPage)
			if err != nil || len(ids) == 0 {
				return errors.Join(pages.Wait(), err)
			}
			after = ids[len(ids)-1]
			pages.Go(func() error { return a.page(ctx, ids) })
		}
	})
	err := all.Wait()
	a.answer.Seconds = time.Since(started).Seconds()
	slices.SortStableFunc(a.answer.Differences, func(x, y order.Difference) int {
		return cmp.Or(cmp.Compare(x.OrderID, y.OrderID), cmp.Compare(x.PaymentID, y.PaymentID),
			cmp.Compare(x.EventID, y.EventID), cmp.Compare(x.Text, y.Text))
	})
	slices.Sort(a.answer.replay)
	return err
}

// page audits some orders, as of one moment.
func (a *auditing) page(ctx context.Context, ids []string) error {
	var auditor *order.Auditor
	var recorded []order.Recorded
	events := 0
	err := a.db.AuditOrders(ctx, ids, func(r []order.Recorded) {
		recorded, auditor = r, order.NewAuditor(r)
	}, func(e postgres.AuditedEvent) error {
		c, err := readEvent(e.Stored)
		auditor.See(order.NewEntry(e.Stored, c), e.Status, e.OrderID, err)
		events++
		return nil
	})
	if err != nil {
		return err
	}
	differences := auditor.Differences()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer.Orders += len(recorded) - auditor.Unfinished()
	a.answer.Unfinished += auditor.Unfinished()
	a.answer.Events += events
	restaurants := make(map[string]string, len(recorded))
	for _, r := range recorded {
		a.addMoney(r)
		restaurants[r.ID] = r.RestaurantID
	}
	for _, d := range differences {
		a.note(d, restaurants[d.OrderID])
		if d.Mend == order.MendRecompute {
			a.answer.recompute[d.OrderID] = auditor.Folded(d.OrderID)
		}
	}
	a.progress.add(len(ids))
	return nil
}

func (a *auditing) addMoney(r order.Recorded) {
	for _, p := range r.Payments {
		if p.Status.Settled() {
			a.answer.Received[p.Expected.Currency] += p.Received()
		}
		if n := r.AmountRefunded[p.ID]; n > 0 {
			a.answer.Refunded[p.Expected.Currency] += n
		}
	}
}

// note counts a difference, and what would mend it.
func (a *auditing) note(d order.Difference, restaurantID string) {
	if d.ByHand {
		a.answer.ByHand++
	} else {
		a.answer.Count++
	}
	if len(a.answer.Differences) >= maxDifferences {
		return
	}
	a.answer.Differences = append(a.answer.Differences, d)
	if d.OrderID != "" {
		a.answer.restaurants[d.OrderID] = restaurantID
	}
	if d.Mend == order.MendReplay && !slices.Contains(a.answer.replay, d.EventID) {
		a.answer.replay = append(a.answer.replay, d.EventID)
	}
}

// unplaced audits the events that no order is recorded of.
func (a *auditing) unplaced(ctx context.Context) error {
	for cursor := (postgres.AuditCursor{}); ; {
		next, n, err := a.db.AuditUnplaced(ctx, a.scope, cursor, auditEventPage, readEvent, func(e postgres.AuditedEvent, r order.Result) {
			text := order.CompareEnd(e.Status, e.OrderID, r)
			// A thin event is about an object that its body doesn't hold; what
			// was fetched is an event of its own, and is folded.
			if text == "" || stripe.Thin(e.Type) {
				return
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.note(order.Difference{OrderID: r.OrderID, EventID: e.ID, Text: text, Mend: order.MendReplay}, e.RestaurantID)
		})
		if err != nil {
			return err
		}
		a.mu.Lock()
		a.answer.Events += n
		a.mu.Unlock()
		a.progress.add(n)
		if cursor = next; n < auditEventPage {
			return nil
		}
	}
}

// readEvent is what the worker reads of an event.
var readEvent = worker.Decode(stripe.Decode).Read

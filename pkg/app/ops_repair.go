package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"tillhook/pkg/event"
	"tillhook/pkg/order"
	"tillhook/pkg/postgres"
)

// mend mends what can be mended, and says how many differences that were. What
// somebody holds at the moment stays for another time, and keeps nothing else from
// being mended.
func mend(ctx context.Context, db *postgres.DB, tasks opsTasks, r *audited) error {
	orders, events := r.recompute, r.replay
	r.recompute, r.replay = map[string]orderFold{}, nil
	err := recompute(ctx, db, r, orders)
	for chunk := range slices.Chunk(events, auditEventPage) {
		if err == nil {
			err = replayAudited(ctx, db, tasks, r, chunk)
		}
	}
	r.countMended()
	if n := len(r.Left); n > 0 {
		const shown = 10
		more := ""
		if n > shown {
			more = " …"
		}
		r.warn("Left as before, since somebody holds it, repeat the command: %s%s", printable(strings.Join(r.Left[:min(n, shown)], ", ")), more)
	}
	return err
}

func recompute(ctx context.Context, db *postgres.DB, r *audited, orders map[string]orderFold) error {
	for _, id := range slices.Sorted(maps.Keys(orders)) {
		switch err := db.RecomputeOrder(ctx, r.by(), id, orders[id]); {
		case held(err):
			r.Left = append(r.Left, id)
		case err != nil:
			return err
		default:
			r.recompute[id] = orders[id]
		}
	}
	return nil
}

func replayAudited(ctx context.Context, db *postgres.DB, tasks opsTasks, r *audited, ids []string) error {
	again, err := db.ReplayEvents(ctx, r.by(), ids)
	switch {
	case held(err) && len(ids) > 1: // one of them, perhaps
		for _, id := range ids {
			if err := replayAudited(ctx, db, tasks, r, []string{id}); err != nil {
				return err
			}
		}
		return nil
	case held(err):
		r.Left = append(r.Left, ids...)
		return nil
	case err != nil:
		return err
	}
	r.replay = append(r.replay, ids...)
	if _, err := tasks.requeue(ctx, again); err != nil {
		r.warn("not all events are queued, the recoverer will: %v", err)
	}
	return nil
}

// held reports whether somebody else was in the way.
func held(err error) bool {
	return errors.Is(err, order.ErrBusy) || errors.Is(err, event.ErrContended)
}

func (r *audited) countMended() {
	replayed := map[string]bool{} // orders
	for _, d := range r.Differences {
		replayed[d.OrderID] = replayed[d.OrderID] || d.Mend == order.MendReplay && slices.Contains(r.replay, d.EventID)
	}
	for _, d := range r.Differences {
		var mended bool
		switch d.Mend {
		case order.MendRecompute:
			_, mended = r.recompute[d.OrderID]
		case order.MendReplay:
			mended = slices.Contains(r.replay, d.EventID)
		default:
			// What else differs in an order may be for want of the events that are
			// replayed just now; if not, the next audit tells.
			mended = replayed[d.OrderID] && !d.ByHand
		}
		if mended {
			r.Mended++
		}
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
	"tillhook/pkg/order"
)

// putWaiting notes what the unplaced events of the batch wait for, so that
// whoever makes one of those names known wakes them.
func (s *settlement) putWaiting(ctx context.Context, results []order.Result) error {
	var n names
	var ids, types pq.StringArray
	var seconds pq.Int64Array
	for i, r := range results {
		if !errors.Is(r.Err, order.ErrUnknownPayment) {
			continue
		}
		n.add(s.entries[i])
		a := s.work[s.at[i]]
		for len(ids) < len(n.ids) {
			ids, types = append(ids, a.ID), append(types, s.entries[i].Type)
			seconds = append(seconds, a.OccurredAt.Unix())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return s.on.exec(ctx, "waiting_put", n.restaurants, n.ids, ids, seconds, types)
}

// WatchWaiting calls wake for every event whose payment may be known now, until
// ctx ends: when it becomes known, and, for what was missed while nobody
// listened, when the connection is there or back.
func (d *DB) WatchWaiting(ctx context.Context, wake func(event.Unfinished)) error {
	return d.listen(ctx, "tillhook_waiting", func(n *pq.Notification) {
		if n == nil {
			d.wakeMissed(ctx, wake)
			return
		}
		if e, ok := parseWaiting(n.Extra); ok {
			wake(e)
		}
	})
}

// wakeMissed is wakeKnown, again for as long as the pool needs to notice that the
// server is back. After that an event has its own backoff.
func (d *DB) wakeMissed(ctx context.Context, wake func(event.Unfinished)) {
	for range missedTries {
		if d.wakeKnown(ctx, wake) == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(missedPause):
		}
	}
}

const missedTries, missedPause = 20, 250 * time.Millisecond

// maxWokenAtOnce bounds what is woken for having been missed.
const maxWokenAtOnce = 500

// wakeKnown wakes those that wait for something that is known by now.
func (d *DB) wakeKnown(ctx context.Context, wake func(event.Unfinished)) error {
	var rows []struct {
		ID         string `db:"eventId"`
		OccurredAt int64  `db:"occurredAt"`
		Type       string `db:"eventType"`
	}
	if err := d.SelectContext(ctx, &rows, db.Query("waiting_known"), maxWokenAtOnce); err != nil {
		return fmt.Errorf("looking for events that need not wait: %w", err)
	}
	for _, r := range rows {
		wake(event.Unfinished{Ref: event.Ref{ID: r.ID, OccurredAt: time.Unix(r.OccurredAt, 0)}, Type: r.Type})
	}
	return nil
}

// parseWaiting reads "id seconds type", as the trigger writes it.
func parseWaiting(text string) (event.Unfinished, bool) {
	fields := strings.SplitN(text, " ", 3)
	if len(fields) != 3 {
		return event.Unfinished{}, false
	}
	seconds, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return event.Unfinished{}, false
	}
	return event.Unfinished{Ref: event.Ref{ID: fields[0], OccurredAt: time.Unix(seconds, 0)}, Type: fields[2]}, true
}

// listen calls got with every notification on a channel, and with nil when it
// begins to listen and after a lost connection is back, until ctx ends.
func (d *DB) listen(ctx context.Context, channel string, got func(*pq.Notification)) error {
	// A ping's answer is due before the next ping.
	dial := &lastDialer{dialer: dialer{readWithin: 2 * d.pingIdle}}
	d.ears.Store(dial, nil)
	defer d.ears.Delete(dial)
	// An error is not reported here: a nil notification follows when the
	// connection is back.
	l := pq.NewDialListener(dial, d.dsn, 100*time.Millisecond, 5*time.Second, nil)
	// Listen waits for the first connection, and a ping for its answer, however
	// long that takes: only closing wakes them.
	closing := func() { dial.cut(); _ = l.Close() }
	defer context.AfterFunc(ctx, closing)()
	defer closing()
	if err := l.Listen(channel); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("listening on %s: %w", channel, err)
	}
	got(nil)
	// A dead connection is found by a ping, not by silence.
	ping := time.NewTicker(d.pingIdle)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-l.Notify:
			got(n)
		case <-ping.C:
			go func() { _ = l.Ping() }() // its error makes the listener reconnect, which is all we want
		}
	}
}

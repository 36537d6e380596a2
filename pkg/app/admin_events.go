package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tillhook/pkg/admin"
	"tillhook/pkg/event"
	"tillhook/pkg/postgres"
)

// restaurantID is the id of what a slug or an id names, "" for "".
func (d *adminDesk) restaurantID(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	r, err := d.restaurant(ctx, name)
	return r.ID, err
}

func (d *adminDesk) restaurant(ctx context.Context, name string) (postgres.Restaurant, error) {
	found, err := d.db.FindRestaurants(ctx, name)
	switch {
	case err != nil:
		return postgres.Restaurant{}, err
	case name == "" || len(found) == 0:
		return postgres.Restaurant{}, admin.ErrNotFound
	case len(found) > 1:
		return postgres.Restaurant{}, admin.Refusal{Why: fmt.Errorf("%q names two restaurants, one by its slug and one by its id", name)}
	}
	return found[0], nil
}

// SearchEvents answers ErrNotFound if there is no such restaurant.
func (d *adminDesk) SearchEvents(ctx context.Context, s admin.Search) (admin.EventPage, error) {
	id, err := d.restaurantID(ctx, s.Restaurant)
	if err != nil {
		return admin.EventPage{}, err
	}
	f := postgres.EventFilter{IDs: s.IDs, Status: s.Status, Type: typePattern(s.Type), Restaurant: id, Order: s.Order,
		Since: s.Since, Until: s.Until, Limit: s.Limit + 1}
	found, err := d.db.EventsPage(ctx, f, s.Before.At, s.Before.ID)
	if err != nil {
		return admin.EventPage{}, err
	}
	var page admin.EventPage
	for _, e := range found.Events[:min(len(found.Events), s.Limit)] {
		page.Events = append(page.Events, admin.Event(e))
	}
	switch n := len(page.Events); {
	case len(found.Events) > s.Limit:
		page.More, page.Next = true, admin.Cursor{At: page.Events[n-1].CreatedAt, ID: page.Events[n-1].ID}
	case found.Partial:
		page.More, page.Next = true, admin.Cursor{At: found.LookedTo, ID: found.LookedID}
	}
	return page, nil
}

// Event finds an event by our id or Stripe's, the newest if there are several.
func (d *adminDesk) Event(ctx context.Context, id string) (admin.EventDetail, error) {
	found, err := d.db.EventsPage(ctx, postgres.EventFilter{IDs: []string{id}, Limit: 1}, time.Time{}, "")
	if err != nil {
		return admin.EventDetail{}, err
	}
	if len(found.Events) == 0 {
		return admin.EventDetail{}, admin.ErrNotFound
	}
	e := found.Events[0]
	detail := admin.EventDetail{Event: admin.Event(e)}
	if detail.Payload, err = d.db.EventPayload(ctx, e); err != nil {
		return detail, err
	}
	detail.Bytes = len(detail.Payload)
	if e.OrderID == "" {
		return detail, nil
	}
	changes, err := d.db.EventChanges(ctx, e.OrderID, e.ID)
	detail.Changes = transitions(changes)
	return detail, err
}

func transitions(all []postgres.Transition) []admin.Transition {
	out := make([]admin.Transition, len(all))
	for i, t := range all {
		out[i] = admin.Transition(t)
	}
	return out
}

// Replay makes events unfinished again, with their tasks. What can't be queued
// now, the recoverer queues.
func (d *adminDesk) Replay(ctx context.Context, who string, ids []string) (admin.Replayed, error) {
	again, err := d.db.ReplayEvents(ctx, d.by(who, "replay").by(), ids)
	if err != nil {
		return admin.Replayed{}, err
	}
	done := admin.Replayed{Events: len(again)}
	for _, t := range d.tasks.Renew(ctx, again) {
		if t.Err == nil && !t.Full {
			done.Queued++
		}
	}
	return done, nil
}

// AuditPage answers ErrNotFound if there is no such restaurant.
func (d *adminDesk) AuditPage(ctx context.Context, before int64, restaurant string, limit int) ([]event.AuditLine, error) {
	id, err := d.restaurantID(ctx, restaurant)
	if err != nil {
		return nil, err
	}
	return d.db.AuditPage(ctx, before, id, limit)
}

// Record leaves an audit line.
func (d *adminDesk) Record(ctx context.Context, who, action, restaurantID, target, detail string) error {
	return d.db.Note(ctx, postgres.Operator{Actor: who, Action: action}, restaurantID, target, detail)
}

// typePattern is a type, or with * at its end all that begin so, as a pattern:
// _ and % mean something in one, and _ stands in many types.
func typePattern(text string) string {
	pattern := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return beginning + "%"
	}
	return pattern
}

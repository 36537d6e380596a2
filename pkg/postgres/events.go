package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"tillhook/db"
	"tillhook/pkg/event"
)

// InsertEvents stores a batch in one statement, which is one commit. It
// answers which of the records are new, in their order; the others were stored
// before. Records must be sorted by ProviderEventID, so that two processes
// with the same duplicates wait for each other instead of deadlocking.
func (d *DB) InsertEvents(ctx context.Context, records []event.Record) ([]bool, error) {
	news, err := insertRecords(ctx, runner{d: d}, records)
	if err != nil {
		return nil, fmt.Errorf("storing %d events: %w", len(records), d.fault(ctx, err))
	}
	return news, nil
}

// insertRecords is InsertEvents, on its own or as a part of a transaction.
func insertRecords(ctx context.Context, on runner, records []event.Record) ([]bool, error) {
	c := columns(records)
	rows, err := on.query(ctx, "event_insert",
		pq.StringArray(c.id), pq.StringArray(c.providerEventID), pq.StringArray(c.eventType),
		pq.StringArray(c.status), pq.StringArray(c.restaurantID), pq.StringArray(c.apiVersion),
		pq.BoolArray(c.livemode), pq.Int64Array(c.occurredAt), pq.StringArray(c.lastError),
		c.payloads, pq.Int64Array(c.start), pq.Int64Array(c.length), pq.StringArray(c.signedWith), pq.StringArray(c.source))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored := make(map[string]bool, len(records))
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		stored[id] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	news := make([]bool, len(records))
	for i := range records {
		news[i] = stored[records[i].ID]
	}
	return news, nil
}

type eventColumns struct {
	id, providerEventID, eventType, status, restaurantID []string
	apiVersion, lastError, signedWith, source            []string
	livemode                                             []bool
	occurredAt, start, length                            []int64
	payloads                                             []byte
}

func columns(records []event.Record) eventColumns {
	n, size := len(records), 0
	for i := range records {
		size += len(records[i].Payload)
	}
	text := make([]string, 9*n) // one allocation for all text columns
	numbers := make([]int64, 3*n)
	c := eventColumns{
		id: text[:n], providerEventID: text[n : 2*n], eventType: text[2*n : 3*n], status: text[3*n : 4*n],
		restaurantID: text[4*n : 5*n], apiVersion: text[5*n : 6*n], lastError: text[6*n : 7*n],
		signedWith: text[7*n : 8*n], source: text[8*n:],
		livemode:   make([]bool, n),
		occurredAt: numbers[:n], start: numbers[n : 2*n], length: numbers[2*n:],
		payloads: make([]byte, 0, size),
	}
	for i, r := range records {
		c.id[i], c.providerEventID[i], c.eventType[i] = r.ID, r.ProviderEventID, r.Type
		c.status[i], c.restaurantID[i], c.apiVersion[i] = string(r.Status), r.RestaurantID, r.APIVersion
		c.livemode[i], c.occurredAt[i], c.lastError[i] = r.Livemode, r.OccurredAt.Unix(), r.LastError
		c.signedWith[i], c.source[i] = r.SignedWith, string(r.Source)
		c.start[i], c.length[i] = int64(len(c.payloads)+1), int64(len(r.Payload)) // SQL counts from 1
		c.payloads = append(c.payloads, r.Payload...)
	}
	return c
}

// WebhookHealth reads from indexes how deliveries have fared.
func (d *DB) WebhookHealth(ctx context.Context) (event.Health, error) {
	var h struct {
		Configured            bool       `db:"configured"`
		LastSuccessfulWebhook *time.Time `db:"lastSuccessfulWebhook"`
		RecentFailures        int        `db:"recentFailures"`
	}
	if err := d.GetContext(ctx, &h, db.Query("webhook_health")); err != nil {
		return event.Health{}, fmt.Errorf("reading the webhooks' health: %w", err)
	}
	health := event.Health{Configured: h.Configured, RecentFailures: h.RecentFailures}
	if h.LastSuccessfulWebhook != nil {
		utc := h.LastSuccessfulWebhook.UTC()
		health.LastSuccessfulWebhook = &utc
	}
	return health, nil
}

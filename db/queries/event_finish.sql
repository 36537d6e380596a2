-- The one update in an event's life. A finished event is never finished again;
-- see event_lock for why it doesn't say = 'PROCESSING'.
-- $7 and $8 are the batch's first and last time; see event_lock for these and
-- for the ids that are named twice.
-- Who has waited cannot be told from the number of the attempt: a task that was
-- lost and made again begins to count anew.
WITH no_longer_waiting AS (DELETE FROM "WaitingEvent" WHERE "eventId" = ANY($1::text[]))
UPDATE "WebhookEvent" e
SET status = r.status, outcome = NULLIF(r.outcome, ''), "lastError" = NULLIF(r.last_error, ''),
    attempts = r.attempts, "processedAt" = now(), "orderId" = NULLIF(r.order_id, '')
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $9::text[])
    AS r(id, occurred_at, status, outcome, last_error, attempts, order_id)
WHERE e.id = r.id AND e."occurredAt" = to_timestamp(r.occurred_at) AND e.status NOT IN ('COMPLETED', 'FAILED') AND e."dedupeKey" IS NOT NULL
    AND e.id = ANY($1::text[])
    AND e."occurredAt" BETWEEN to_timestamp($7::bigint) AND to_timestamp($8::bigint)

-- The events of a batch that are still to be worked on, without a lock; see
-- event_lock for $3 and $4, for the ids that are named twice and for the status.
-- A verified payload is UTF-8, and as text it comes in half of the bytes.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", coalesce(e."providerEventId", '') AS "providerEventId", e."eventType",
    e."restaurantId", e.livemode, e.status, convert_from(e.payload, 'UTF8') AS payload,
    coalesce((SELECT c."stripeAccountId" FROM "RestaurantPaymentConfig" c
              WHERE c."restaurantId" = e."restaurantId" AND c.provider = e.provider), '') AS account
FROM unnest($1::text[], $2::bigint[]) AS r(id, occurred_at)
JOIN "WebhookEvent" e ON e.id = r.id AND e."occurredAt" = to_timestamp(r.occurred_at)
WHERE e.id = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($3::bigint) AND to_timestamp($4::bigint)

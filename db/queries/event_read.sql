-- The events of a batch that are still to be worked on, without a lock; see
-- event_lock for $2 and $3, and for the status.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", coalesce(e."providerEventId", '') AS "providerEventId", e."eventType",
    e."restaurantId", e.livemode, e.status, e.payload,
    coalesce((SELECT c."stripeAccountId" FROM "RestaurantPaymentConfig" c
              WHERE c."restaurantId" = e."restaurantId" AND c.provider = e.provider), '') AS account
FROM "WebhookEvent" e
WHERE e.id = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($2::bigint) AND to_timestamp($3::bigint)

-- The next finished events that no order is recorded of, as they were stored.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", coalesce(e."providerEventId", '') AS "providerEventId", e."eventType",
    e."restaurantId", e.livemode, e.payload, e.status, '' AS "orderId", e."createdAt",
    coalesce((SELECT c."stripeAccountId" FROM "RestaurantPaymentConfig" c
              WHERE c."restaurantId" = e."restaurantId" AND c.provider = e.provider), '') AS account
FROM "WebhookEvent" e
WHERE e."orderId" IS NULL AND e."dedupeKey" IS NOT NULL AND e.status IN ('COMPLETED', 'FAILED')
    AND ($1 = '' OR e."restaurantId" = $1)
    AND ($2::timestamptz IS NULL OR e."createdAt" >= $2::timestamptz)
    AND ($3::timestamptz IS NULL OR e."createdAt" < $3::timestamptz)
    AND (e."createdAt", e.id) > ($4::timestamptz, $5::text)
ORDER BY e."createdAt", e.id
LIMIT $6

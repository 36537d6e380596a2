-- Every stored event about some orders, as it arrived.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", coalesce(e."providerEventId", '') AS "providerEventId", e."eventType",
    e."restaurantId", e.livemode, e.payload, e.status, e."orderId",
    coalesce((SELECT c."stripeAccountId" FROM "RestaurantPaymentConfig" c
              WHERE c."restaurantId" = e."restaurantId" AND c.provider = e.provider), '') AS account
FROM "WebhookEvent" e
WHERE e."orderId" = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL

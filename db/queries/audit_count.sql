-- How much an audit has before it; see audit_orders and audit_unplaced.
SELECT
    (SELECT count(*) FROM "Order" o
     WHERE ($1 = '' OR o."restaurantId" = $1)
        AND ($2::timestamptz IS NULL OR o."createdAt" >= $2::timestamptz)
        AND ($3::timestamptz IS NULL OR o."createdAt" < $3::timestamptz)) AS orders,
    (SELECT count(*) FROM "WebhookEvent" e
     WHERE e."orderId" IS NULL AND e."dedupeKey" IS NOT NULL AND e.status IN ('COMPLETED', 'FAILED')
        AND ($1 = '' OR e."restaurantId" = $1)
        AND ($2::timestamptz IS NULL OR e."createdAt" >= $2::timestamptz)
        AND ($3::timestamptz IS NULL OR e."createdAt" < $3::timestamptz)) AS unplaced

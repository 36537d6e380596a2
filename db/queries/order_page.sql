-- Orders, newest first, before the row ($3, $4). The values are known when the
-- statement is planned.
SELECT o.id, o."restaurantId", r.slug, o.status, o."totalAmount", o.currency, o."createdAt", o."paidAt"
FROM "Order" o
JOIN "Restaurant" r ON r.id = o."restaurantId"
WHERE ($1 = '' OR o.status = $1)
    AND ($2 = '' OR o."restaurantId" = $2)
    AND ($3::timestamptz IS NULL OR (o."createdAt", o.id) < ($3::timestamptz, $4::text))
ORDER BY o."createdAt" DESC, o.id DESC
LIMIT $5

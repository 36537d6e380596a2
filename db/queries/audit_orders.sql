-- The next orders to audit, by id.
SELECT o.id
FROM "Order" o
WHERE o.id > $4
    AND ($1 = '' OR o."restaurantId" = $1)
    AND ($2::timestamptz IS NULL OR o."createdAt" >= $2::timestamptz)
    AND ($3::timestamptz IS NULL OR o."createdAt" < $3::timestamptz)
ORDER BY o.id
LIMIT $5

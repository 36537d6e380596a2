-- A page of orders, newest first, before the row ($3, $4). The values are known
-- when the statement is planned. What waits for its payment is found by an
-- index; by another status, $6 orders are looked through at the most, so that a
-- rare one costs no more than a common one. The last one looked at is answered
-- with each row, and alone if none is like that.
WITH scanned AS MATERIALIZED (
    SELECT o.id, o."restaurantId", o.status, o."totalAmount", o.currency, o."createdAt", o."paidAt"
    FROM "Order" o
    WHERE ($1 <> 'PAYMENT_PENDING' OR o.status = 'PAYMENT_PENDING')
        AND ($2 = '' OR o."restaurantId" = $2)
        AND ($3::timestamptz IS NULL OR (o."createdAt", o.id) < ($3::timestamptz, $4::text))
    ORDER BY o."createdAt" DESC, o.id DESC
    LIMIT $6
), looked AS (
    SELECT count(*) AS n, min(s."createdAt") AS at, (array_agg(s.id ORDER BY s."createdAt", s.id))[1] AS id FROM scanned s
), page AS (
    SELECT * FROM scanned s WHERE $1 = '' OR s.status = $1 ORDER BY s."createdAt" DESC, s.id DESC LIMIT $5
)
SELECT l.n AS looked, coalesce(l.at, 'epoch') AS "lookedTo", coalesce(l.id, '') AS "lookedId",
    coalesce(p.id, '') AS id, coalesce(p."restaurantId", '') AS "restaurantId", coalesce(r.slug, '') AS slug, coalesce(p.status, '') AS status,
    coalesce(p."totalAmount", 0) AS "totalAmount", coalesce(p.currency, '') AS currency,
    coalesce(p."createdAt", 'epoch') AS "createdAt", p."paidAt"
FROM looked l LEFT JOIN page p ON true LEFT JOIN "Restaurant" r ON r.id = p."restaurantId"
ORDER BY p."createdAt" DESC, p.id DESC

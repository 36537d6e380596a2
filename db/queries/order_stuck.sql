-- A page of the orders that have been pending for more than $1 seconds, oldest
-- first, after the row ($2, $3), of one restaurant or all, with what is known
-- of why. An order that waits for its payment is waited for by the events that
-- name it.
SELECT o.id, o."restaurantId", r.slug, o."createdAt", now() AS "readAt", o."totalAmount", o.currency,
    coalesce(p.id, '') AS "paymentId", coalesce(p.status, '') AS "paymentStatus",
    coalesce(p."providerPaymentId", '') AS "providerPaymentId", coalesce(p.payments, 0) AS payments,
    (SELECT count(*) FROM "WebhookEvent" e WHERE e."orderId" = o.id) AS known,
    (SELECT count(DISTINCT w."eventId") FROM "WaitingEvent" w
     WHERE w."restaurantId" = o."restaurantId" AND w.name IN (o.id, p.id, p."providerPaymentId")) AS waiting,
    coalesce(l.finding, '') AS finding, l."lookedAt",
    EXISTS (SELECT FROM "RestaurantPaymentConfig" c
            WHERE c."restaurantId" = o."restaurantId" AND c.provider = 'STRIPE' AND c."isActive" AND btrim(c."secretKey") <> '') AS "hasKey"
FROM "Order" o
JOIN "Restaurant" r ON r.id = o."restaurantId"
LEFT JOIN "OrderLookup" l ON l."orderId" = o.id
LEFT JOIN LATERAL (
    SELECT q.id, q.status, q."providerPaymentId", count(*) OVER () AS payments
    FROM "Payment" q WHERE q."orderId" = o.id
    ORDER BY q.status = 'REVIEW' DESC, q."createdAt" DESC, q.id LIMIT 1) AS p ON true
WHERE o.status = 'PAYMENT_PENDING' AND o."createdAt" < now() - make_interval(secs => $1)
    AND (o."createdAt", o.id) > ($2::timestamptz, $3::text)
    AND ($4 = '' OR r.id = $4 OR r.slug = $4)
ORDER BY o."createdAt", o.id
LIMIT $5

-- The payments on which a human must decide, the one that waits for the longest
-- first, $2 at the most, of one restaurant or all.
SELECT u.id, u."orderId", o.status AS "orderStatus", u."restaurantId", r.slug, u.status, u.amount, u.currency,
    coalesce(u."providerPaymentId", '') AS "providerPaymentId", u.facts::text AS facts, u.reason, u.since, now() AS "readAt"
FROM "UndecidedPayment" u
JOIN "Order" o ON o.id = u."orderId"
JOIN "Restaurant" r ON r.id = u."restaurantId"
WHERE $1 = '' OR r.id = $1
ORDER BY u."transitionId"
LIMIT $2

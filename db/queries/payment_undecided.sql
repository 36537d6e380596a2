-- A page of the payments on which a human must decide, the one that waits for the
-- longest first, after the one of transition $3, $2 at the most, of one restaurant
-- or all. A payment moves to the end when it begins to wait anew.
SELECT u."transitionId", u.id, u."orderId", o.status AS "orderStatus", u."restaurantId", r.slug, u.status, u.amount, u.currency,
    coalesce(u."providerPaymentId", '') AS "providerPaymentId", u.facts::text AS facts, u.reason, u.since, now() AS "readAt"
FROM "UndecidedPayment" u
JOIN "Order" o ON o.id = u."orderId"
JOIN "Restaurant" r ON r.id = u."restaurantId"
WHERE ($1 = '' OR r.id = $1) AND u."transitionId" > $3
ORDER BY u."transitionId"
LIMIT $2

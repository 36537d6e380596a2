-- order_lock without the locks, for who only looks.
SELECT o.id, o."restaurantId", o.status, p.id AS "paymentId", p."restaurantId" AS "paymentRestaurantId", p.status AS "paymentStatus",
    coalesce(p."providerPaymentId", '') AS "providerPaymentId", p.amount, p.currency, p.livemode, p.facts::text AS facts
FROM "Order" o
LEFT JOIN "Payment" p ON p."orderId" = o.id AND p.provider = 'STRIPE'
WHERE o.id = ANY($1::text[])
ORDER BY o.id, p.id

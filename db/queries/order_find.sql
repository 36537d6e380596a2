-- One order with its payments, one row for each; a single row without a
-- payment if there is none.
SELECT o.id, o."restaurantId", r.slug, o.status, o."totalAmount", o.currency, o."createdAt", o."updatedAt", o."paidAt",
    coalesce(p.id, '') AS "paymentId", coalesce(p.status, '') AS "paymentStatus",
    coalesce(p."providerPaymentId", '') AS "providerPaymentId", coalesce(p.amount, 0) AS amount,
    coalesce(p.currency, '') AS "paymentCurrency", coalesce(p."amountRefunded", 0) AS "amountRefunded",
    p.livemode, coalesce(p.facts::text, '{}') AS facts
FROM "Order" o
JOIN "Restaurant" r ON r.id = o."restaurantId"
LEFT JOIN "Payment" p ON p."orderId" = o.id
WHERE o.id = $1
ORDER BY p."createdAt", p.id

-- What there is to look up of orders: the payments that could still bring the
-- money, one row for each, a single row without one if there is none.
SELECT o.id, o."restaurantId", o."createdAt", coalesce(l.finding, '') AS finding, coalesce(p.id, '') AS "paymentId",
    coalesce(p.facts ->> 'session', CASE WHEN p."providerPaymentId" LIKE 'cs\_%' THEN p."providerPaymentId" ELSE
        (SELECT k."objectId" FROM "PaymentObject" k WHERE k."paymentId" = p.id AND k."objectId" LIKE 'cs\_%' LIMIT 1) END, '') AS session,
    coalesce(p.facts ->> 'intent', CASE WHEN p."providerPaymentId" LIKE 'pi\_%' THEN p."providerPaymentId" END, '') AS intent
FROM "Order" o
LEFT JOIN "OrderLookup" l ON l."orderId" = o.id
LEFT JOIN "Payment" p ON p."orderId" = o.id AND p.provider = 'STRIPE' AND p.status IN ('PENDING', 'PROCESSING', 'FAILED')
WHERE o.id = ANY($1::text[]) AND o.status = 'PAYMENT_PENDING'
ORDER BY o."createdAt", o.id, p."createdAt", p.id

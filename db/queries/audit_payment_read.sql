-- The session is found as in order_look.
SELECT p.id, p."orderId", p."restaurantId", p.status, coalesce(p."providerPaymentId", '') AS "providerPaymentId",
    coalesce(CASE WHEN p."providerPaymentId" LIKE 'pi\_%' AND p.facts ->> 'session' IS NULL THEN
        (SELECT l."objectId" FROM "PaymentObject" l WHERE l."paymentId" = p.id AND l."objectId" LIKE 'cs\_%' LIMIT 1) END, '') AS session,
    p.amount, p.currency, p.livemode, p.facts::text, p."amountRefunded"
FROM "Payment" p
WHERE p."orderId" = ANY($1::text[]) AND p.provider = 'STRIPE'
ORDER BY p.id

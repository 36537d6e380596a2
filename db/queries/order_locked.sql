-- Orders that are locked, with their payments, as order_look reads them, one row
-- for each payment, or one without. The payments are locked, too; of one that
-- somebody else holds there is nothing but the id.
SELECT NULL AS object, o."restaurantId", o.id, o.status, o.xmin::text AS version, p.id AS "paymentId", l.*
FROM "Order" o
LEFT JOIN "Payment" p ON p."orderId" = o.id AND p.provider = 'STRIPE'
LEFT JOIN LATERAL (
    SELECT q."restaurantId" AS "paymentRestaurantId", q.status AS "paymentStatus", coalesce(q."providerPaymentId", '') AS "providerPaymentId",
        CASE WHEN q."providerPaymentId" LIKE 'pi\_%' AND q.facts ->> 'session' IS NULL THEN
            (SELECT k."objectId" FROM "PaymentObject" k WHERE k."paymentId" = q.id AND k."objectId" LIKE 'cs\_%' LIMIT 1) END AS session,
        q.amount, q.currency, q.livemode, q.facts::text AS facts, q.xmin::text AS "paymentVersion"
    FROM "Payment" q
    WHERE q.id = p.id
    FOR NO KEY UPDATE OF q SKIP LOCKED
) l ON true
WHERE o.id = ANY($1::text[])

-- Orders that are locked, with their payments, as order_look reads them, one row
-- for each payment, or one without. The payments are locked, too; of one that
-- somebody else holds there is nothing but the id.
SELECT NULL AS object, o."restaurantId", o.id, o.status, o.xmin::text AS version, p.id AS "paymentId", l.*
FROM "Order" o
LEFT JOIN "Payment" p ON p."orderId" = o.id AND p.provider = 'STRIPE'
LEFT JOIN LATERAL (
    SELECT "restaurantId" AS "paymentRestaurantId", status AS "paymentStatus", coalesce("providerPaymentId", '') AS "providerPaymentId",
        amount, currency, livemode, facts::text AS facts, xmin::text AS "paymentVersion"
    FROM "Payment"
    WHERE id = p.id
    FOR NO KEY UPDATE SKIP LOCKED
) l ON true
WHERE o.id = ANY($1::text[])

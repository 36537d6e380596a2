-- Orders with their payments, one row for each payment, or one without. Orders
-- are locked first, then their payments, each in the order of their ids. The
-- lock lets the ordering application insert payments that refer to the order. An
-- order that somebody else holds is left out: its events wait, nobody else's.
SELECT o.id, o."restaurantId", o.status, p.*
FROM (
    SELECT id, "restaurantId", status
    FROM "Order"
    WHERE id = ANY($1::text[])
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
) o
LEFT JOIN LATERAL (
    SELECT id AS "paymentId", "restaurantId" AS "paymentRestaurantId", status AS "paymentStatus",
        coalesce("providerPaymentId", '') AS "providerPaymentId", amount, currency, livemode, facts::text AS facts
    FROM "Payment"
    WHERE "orderId" = o.id AND provider = 'STRIPE'
    ORDER BY id
    FOR NO KEY UPDATE
) p ON true

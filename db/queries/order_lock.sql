-- Orders with their payments, as order_look reads them, one row for each payment,
-- or one without. Orders are locked first, then their payments, each in the order
-- of their ids. The lock lets the ordering application insert payments that refer
-- to the order. An order that somebody else holds is left out: its events wait,
-- nobody else's.
SELECT NULL AS object, o."restaurantId", o.id, o.status, o.version, p.*
FROM (
    SELECT id, "restaurantId", status, xmin::text AS version
    FROM "Order"
    WHERE id = ANY($1::text[])
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
) o
LEFT JOIN LATERAL (
    SELECT id AS "paymentId", "restaurantId" AS "paymentRestaurantId", status AS "paymentStatus",
        coalesce("providerPaymentId", '') AS "providerPaymentId", amount, currency, livemode, facts::text AS facts, xmin::text AS "paymentVersion"
    FROM "Payment"
    WHERE "orderId" = o.id AND provider = 'STRIPE'
    ORDER BY id
    FOR NO KEY UPDATE
) p ON true

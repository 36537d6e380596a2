-- What the events of a batch lead to, within the restaurant that each was verified
-- for, by object ids seen before ('object'), an order named by metadata ('order'),
-- a payment named by metadata ('payment'): first the object ids that are linked,
-- then the orders with their payments, one row for each payment, or one without.
-- Nothing is locked.
--
-- The session of a payment whose column names the intent is known by its link,
-- before an event has named it.
--
-- A row's xmin is another after every change of the row, and the same after a
-- mere lock: who writes by what was read here asks settle_write to make sure of it.
WITH found AS MATERIALIZED (
    SELECT k.kind, k.restaurant_id, k.id, p.id AS payment_id, p."orderId" AS order_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
    JOIN "PaymentObject" l ON l."restaurantId" = k.restaurant_id AND l."objectId" = k.id
    JOIN "Payment" p ON p.id = l."paymentId" AND p."restaurantId" = k.restaurant_id
    WHERE k.kind = 'object'
    UNION ALL
    SELECT k.kind, k.restaurant_id, k.id, '', o.id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
    JOIN "Order" o ON o.id = k.id AND o."restaurantId" = k.restaurant_id
    WHERE k.kind = 'order'
    UNION ALL
    SELECT k.kind, k.restaurant_id, k.id, p.id, p."orderId"
    FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
    JOIN "Payment" p ON p.id = k.id AND p."restaurantId" = k.restaurant_id
    WHERE k.kind = 'payment'
)
SELECT f.id AS object, f.restaurant_id AS "restaurantId", f.order_id AS id, NULL AS status, NULL AS version, f.payment_id AS "paymentId",
    NULL AS "paymentRestaurantId", NULL AS "paymentStatus", NULL AS "providerPaymentId", NULL AS session, NULL::bigint AS amount, NULL AS currency,
    NULL::boolean AS livemode, NULL AS facts, NULL AS "paymentVersion"
FROM found f
WHERE f.kind = 'object'
UNION ALL
SELECT NULL, o."restaurantId", o.id, o.status, o.xmin::text, p.id,
    p."restaurantId", p.status, coalesce(p."providerPaymentId", ''),
    CASE WHEN p."providerPaymentId" LIKE 'pi\_%' AND p.facts ->> 'session' IS NULL THEN
        (SELECT l."objectId" FROM "PaymentObject" l WHERE l."paymentId" = p.id AND l."objectId" LIKE 'cs\_%' LIMIT 1) END,
    p.amount, p.currency, p.livemode, p.facts::text, p.xmin::text
FROM (SELECT DISTINCT order_id FROM found) d
JOIN "Order" o ON o.id = d.order_id
LEFT JOIN "Payment" p ON p."orderId" = o.id AND p.provider = 'STRIPE'

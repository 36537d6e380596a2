-- What leads from the events of a batch to orders, within the restaurant that
-- each event was verified for: object ids seen before ('object'), an order
-- named by metadata ('order'), a payment named by metadata ('payment').
SELECT k.restaurant_id, k.kind, k.id, p.id AS payment_id, p."orderId" AS order_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
JOIN "PaymentObject" l ON l."restaurantId" = k.restaurant_id AND l."objectId" = k.id
JOIN "Payment" p ON p.id = l."paymentId" AND p."restaurantId" = k.restaurant_id
WHERE k.kind = 'object'
UNION ALL
SELECT k.restaurant_id, k.kind, k.id, '', o.id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
JOIN "Order" o ON o.id = k.id AND o."restaurantId" = k.restaurant_id
WHERE k.kind = 'order'
UNION ALL
SELECT k.restaurant_id, k.kind, k.id, p.id, p."orderId"
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
JOIN "Payment" p ON p.id = k.id AND p."restaurantId" = k.restaurant_id
WHERE k.kind = 'payment'

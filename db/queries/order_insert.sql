INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
SELECT r.id, r.restaurant_id, 'PAYMENT_PENDING', r.amount, r.currency
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS r(id, restaurant_id, amount, currency)

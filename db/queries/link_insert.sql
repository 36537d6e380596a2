INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
SELECT r.restaurant_id, r.object_id, r.payment_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS r(restaurant_id, object_id, payment_id)
ON CONFLICT ("restaurantId", "objectId") DO NOTHING

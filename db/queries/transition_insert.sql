INSERT INTO "OrderTransition" ("orderId", "paymentId", "webhookEventId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
SELECT r.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS r

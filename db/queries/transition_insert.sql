INSERT INTO "OrderTransition" ("orderId", "paymentId", "webhookEventId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
SELECT r.order_id, r.payment_id, NULLIF(r.event_id, ''), r.order_from, r.order_to, r.payment_from, r.payment_to, r.reason
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS r(order_id, payment_id, event_id, order_from, order_to, payment_from, payment_to, reason)

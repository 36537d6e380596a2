-- The triggers add the restaurant, the mode, and the link from the session.
INSERT INTO "Payment" (id, "orderId", provider, status, "providerPaymentId", amount, currency)
SELECT r.id, r.order_id, 'STRIPE', 'PENDING', NULLIF(r.session, ''), r.amount, r.currency
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) AS r(id, order_id, session, amount, currency)

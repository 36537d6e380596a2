SELECT p."orderId", l."objectId", l."paymentId"
FROM "Payment" p
JOIN "PaymentObject" l ON l."paymentId" = p.id
WHERE p."orderId" = ANY($1::text[])

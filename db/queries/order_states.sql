SELECT o.id, p.id AS "paymentId", o."restaurantId", o.status, p.status AS "paymentStatus", o."updatedAt"
FROM "Order" o
JOIN "Payment" p ON p."orderId" = o.id
WHERE o.id = ANY($1::text[])
ORDER BY o.id, p.id

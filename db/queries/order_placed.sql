-- The order that a restaurant's idempotency key has made.
SELECT o.id, o."restaurantId", o.status, o."totalAmount", o.currency, o."createdAt", o."updatedAt", o."paidAt", q."requestHash"
FROM "OrderRequest" q
JOIN "Order" o ON o.id = q."orderId"
WHERE q."restaurantId" = $1 AND q."idempotencyKey" = $2

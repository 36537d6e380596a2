-- Orders as their customers see them.
SELECT o.id, o."restaurantId", o.status, o."totalAmount", o.currency, o."createdAt", o."updatedAt", o."paidAt"
FROM "Order" o
WHERE o.id = ANY($1::text[])

-- An order that somebody wants to pay, with what was ordered. Whoever else
-- wants to pay it waits.
SELECT o."restaurantId", r.name, o."totalAmount", o.currency, coalesce(q.lines::text, '') AS lines
FROM "Order" o
JOIN "Restaurant" r ON r.id = o."restaurantId"
LEFT JOIN "OrderRequest" q ON q."orderId" = o.id
WHERE o.id = $1
FOR NO KEY UPDATE OF o

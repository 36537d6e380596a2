-- Orders first, then their payments, each in the order of their ids. The lock
-- lets the ordering application insert payments that refer to the order. An
-- order that somebody else holds is left out: its events wait, nobody else's.
SELECT id, "restaurantId", status
FROM "Order"
WHERE id = ANY($1::text[])
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED

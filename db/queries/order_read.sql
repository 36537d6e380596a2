-- order_lock without the lock, for who only looks.
SELECT id, "restaurantId", status FROM "Order" WHERE id = ANY($1::text[]) ORDER BY id

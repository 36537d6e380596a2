-- Locks orders, in the order of their ids, and says which. One that somebody else
-- holds is left out: its events wait, nobody else's. Their payments are read by a
-- statement of their own, order_locked: one that was committed before the lock was
-- there, and after this statement began, would not be seen by this one.
SELECT id
FROM "Order"
WHERE id = ANY($1::text[])
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED

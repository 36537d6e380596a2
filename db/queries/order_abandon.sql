-- Ends orders of storefronts that nobody has begun to pay within a day: no
-- event will ever say anything of them. At most $1 at a time.
WITH gone AS (
    SELECT o.id
    FROM "Order" o
    JOIN "OrderRequest" q ON q."orderId" = o.id
    WHERE o.status = 'PAYMENT_PENDING' AND o."createdAt" < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM "Payment" p WHERE p."orderId" = o.id)
    ORDER BY o."createdAt", o.id
    LIMIT $1
    FOR NO KEY UPDATE OF o SKIP LOCKED
), moved AS (
    UPDATE "Order" o SET status = 'EXPIRED' FROM gone WHERE o.id = gone.id
)
INSERT INTO "OrderTransition" ("orderId", "orderFrom", "orderTo", reason)
SELECT gone.id, 'PAYMENT_PENDING', 'EXPIRED', 'nobody began to pay' FROM gone

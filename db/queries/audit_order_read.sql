-- Orders as they are recorded. An order is complete if it was made after the
-- last week that is missing: a week that holds an unfinished event outlives
-- younger ones.
SELECT o.id, o."restaurantId", o.status,
    o."createdAt" >= coalesce((
        SELECT max(w.starts)
        FROM (SELECT p.starts, lag(p.ends) OVER (ORDER BY p.starts) AS before FROM tillhook_partitions() p WHERE p.ends IS NOT NULL) AS w
        WHERE w.starts <= now() AND (w.before IS NULL OR w.before < w.starts)), '-infinity') AS complete
FROM "Order" o
WHERE o.id = ANY($1::text[])
ORDER BY o.id

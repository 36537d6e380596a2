-- Orders as they are recorded. An order is complete if it was made after the
-- beginning of the oldest week that there are still events of.
SELECT o.id, o."restaurantId", o.status,
    o."createdAt" >= coalesce((
        SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD'))
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '"WebhookEvent"'::regclass AND c.relname ~ '^WebhookEvent_\d{8}$'), '-infinity') AS complete
FROM "Order" o
WHERE o.id = ANY($1::text[])
ORDER BY o.id
